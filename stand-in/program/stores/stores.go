package stores

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	amqp "github.com/rabbitmq/amqp091-go"

	"wiab-staging/stand-in/program/repeat"
	"wiab-staging/stand-in/program/web"
)

// DialTimeout is that of emulated machines, which run eight times slower than real ones.
const DialTimeout = 5 * time.Second

// Cassandra connects to a ring. Reads and writes ask for a majority of the replicas.
func Cassandra(to Access, keyspace string) (*gocql.Session, error) {
	cluster := gocql.NewCluster(to.Hosts...)
	port, err := strconv.Atoi(string(cmp.Or(to.Port, "9042")))
	if err != nil {
		return nil, fmt.Errorf("%q is no port", to.Port)
	}
	cluster.Port = port
	cluster.Keyspace = keyspace
	cluster.Consistency = gocql.Quorum
	cluster.Timeout = DialTimeout
	cluster.ConnectTimeout = DialTimeout
	cluster.NumConns = 1
	cluster.ReconnectInterval = time.Second
	cluster.Logger = gocql.NewLogger(gocql.LogLevelNone)
	if to.TLS != nil {
		// A node's certificate may not have the address by which the driver has learned of it.
		cluster.SslOpts = &gocql.SslOptions{Config: to.TLS, EnableHostVerification: false}
	}
	return cluster.CreateSession()
}

// PostgreSQL connects to the first host whose sessions are as wanted: read-write or any.
func PostgreSQL(ctx context.Context, to Access, sessions string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(fmt.Sprintf("sslmode=disable target_session_attrs=%s channel_binding=%s",
		sessions, cmp.Or(to.ChannelBinding, "prefer")))
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(string(cmp.Or(to.Port, "5432")), 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q is no port", to.Port)
	}
	config.Fallbacks = nil
	for _, host := range to.Hosts {
		one := &pgconn.FallbackConfig{Host: host, Port: uint16(port)}
		if to.TLS != nil {
			one.TLSConfig = to.TLS.Clone()
			one.TLSConfig.ServerName = host
		}
		config.Fallbacks = append(config.Fallbacks, one)
	}
	first := config.Fallbacks[0]
	config.Host, config.Port, config.TLSConfig = first.Host, first.Port, first.TLSConfig
	config.Fallbacks = config.Fallbacks[1:]
	config.User, config.Password, config.Database = to.User, to.Password, to.Database
	config.ConnectTimeout = DialTimeout
	return pgx.ConnectConfig(ctx, config)
}

// RabbitMQ connects to a broker and opens a channel that confirms what is published.
func RabbitMQ(to Access) (*amqp.Connection, *amqp.Channel, error) {
	connection, err := amqp.DialConfig(to.url("amqp", "5672"), amqp.Config{
		SASL:            []amqp.Authentication{&amqp.PlainAuth{Username: to.User, Password: to.Password}},
		Vhost:           to.VHost,
		Heartbeat:       DialTimeout,
		Dial:            amqp.DefaultDial(DialTimeout),
		TLSClientConfig: to.TLS,
	})
	if err != nil {
		return nil, nil, err
	}
	channel, err := connection.Channel()
	if err == nil {
		err = channel.Confirm(false)
	}
	if err != nil {
		connection.Close()
		return nil, nil, err
	}
	return connection, channel, nil
}

// Publish waits until the broker has confirmed a persistent message.
func Publish(ctx context.Context, channel *amqp.Channel, queue, body string) error {
	message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(body)}
	confirmation, err := channel.PublishWithDeferredConfirmWithContext(ctx, "", queue, false, false, message)
	if err != nil {
		return err
	}
	confirmed, err := confirmation.WaitContext(ctx)
	if err == nil && !confirmed {
		err = fmt.Errorf("the broker has refused a message for %s", queue)
	}
	return err
}

// transport gives up on machines that do not answer, and goes through no proxy.
func transport(security *tls.Config) *http.Transport {
	return &http.Transport{
		TLSClientConfig:       security,
		DialContext:           (&net.Dialer{Timeout: DialTimeout}).DialContext,
		ResponseHeaderTimeout: repeat.Limit,
		IdleConnTimeout:       repeat.Limit,
	}
}

// MinIO is a client of an S3 service. It tries nothing twice.
func MinIO(to Access, region string) (*minio.Client, error) {
	return minio.New(to.Address("9000"), &minio.Options{
		Creds:        credentials.NewStaticV4(to.User, to.Password, ""),
		Secure:       to.TLS != nil,
		Region:       region,
		Transport:    transport(to.TLS),
		BucketLookup: minio.BucketLookupPath,
		MaxRetries:   1,
	})
}

// ReadObject gives the content of an object.
func ReadObject(ctx context.Context, client *minio.Client, bucket, name string) (string, error) {
	object, err := client.GetObject(ctx, bucket, name, minio.GetObjectOptions{})
	if err != nil {
		return "", err
	}
	defer object.Close()
	content, err := io.ReadAll(object)
	return string(content), err
}

// WriteObject makes an object with a content.
func WriteObject(ctx context.Context, client *minio.Client, bucket, name, content string) error {
	_, err := client.PutObject(
		ctx, bucket, name, strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{})
	return err
}

// Elastic is an Elasticsearch node.
type Elastic struct {
	base   string
	client *http.Client
}

// Elasticsearch makes a client; nobody is asked yet.
func Elasticsearch(to Access) *Elastic {
	return &Elastic{to.url("http", "9200"), &http.Client{Transport: transport(to.TLS)}}
}

// Close ends the client's connections.
func (e *Elastic) Close() { e.client.CloseIdleConnections() }

// MakeIndex makes an index if there is none of that name.
func (e *Elastic) MakeIndex(ctx context.Context, name string, settings map[string]any) error {
	err := e.Call(ctx, "PUT", "/"+name, map[string]any{"settings": settings}, nil)
	if err != nil && strings.Contains(err.Error(), "resource_already_exists_exception") {
		return nil
	}
	return err
}

// Call sends a body and reads the answer into result; both may be nil.
func (e *Elastic) Call(ctx context.Context, method, path string, body, result any) error {
	return web.JSON(ctx, e.client, method, e.base+path, http.Header{"Content-Type": {"application/json"}}, body, result)
}
