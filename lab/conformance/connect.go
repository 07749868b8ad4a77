package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	amqp "github.com/rabbitmq/amqp091-go"
)

// dialTimeout is that of emulated machines, which run eight times slower than real ones.
const dialTimeout = 5 * time.Second

// cassandraSession connects to a ring. Reads and writes ask for a majority of the replicas.
func cassandraSession(hosts []string, port, keyspace string, security *tls.Config) (*gocql.Session, error) {
	cluster := gocql.NewCluster(hosts...)
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("%q is no port", port)
	}
	cluster.Port = number
	cluster.Keyspace = keyspace
	cluster.Consistency = gocql.Quorum
	cluster.Timeout = dialTimeout
	cluster.ConnectTimeout = dialTimeout
	cluster.NumConns = 1
	cluster.ReconnectInterval = time.Second
	cluster.Logger = gocql.NewLogger(gocql.LogLevelNone)
	if security != nil {
		// A node's certificate may not have the address by which the driver has learned of it.
		cluster.SslOpts = &gocql.SslOptions{Config: security, EnableHostVerification: false}
	}
	return cluster.CreateSession()
}

// postgresqlConnection connects to the first host whose sessions are as wanted: read-write or any.
func postgresqlConnection(
	ctx context.Context, sessions string, hosts []string, port, user, password, database string, security *tls.Config,
) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable target_session_attrs=" + sessions)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q is no port", port)
	}
	config.Fallbacks = nil
	for _, host := range hosts {
		config.Fallbacks = append(config.Fallbacks,
			&pgconn.FallbackConfig{Host: host, Port: uint16(number), TLSConfig: named(security, host)})
	}
	first := config.Fallbacks[0]
	config.Host, config.Port, config.TLSConfig = first.Host, first.Port, first.TLSConfig
	config.Fallbacks = config.Fallbacks[1:]
	config.User, config.Password, config.Database = user, password, database
	config.ConnectTimeout = dialTimeout
	return pgx.ConnectConfig(ctx, config)
}

// named is a TLS configuration for a server of that name, or nil if there is none.
func named(security *tls.Config, host string) *tls.Config {
	if security == nil {
		return nil
	}
	copied := security.Clone()
	copied.ServerName = host
	return copied
}

// rabbitmqChannel connects to a broker and opens a channel that confirms what is published.
func rabbitmqChannel(
	host, port, user, password, vhost string, security *tls.Config,
) (*amqp.Connection, *amqp.Channel, error) {
	scheme := "amqp"
	if security != nil {
		scheme = "amqps"
	}
	address := scheme + "://" + net.JoinHostPort(host, port)
	connection, err := amqp.DialConfig(address, amqp.Config{
		SASL:            []amqp.Authentication{&amqp.PlainAuth{Username: user, Password: password}},
		Vhost:           vhost,
		Heartbeat:       dialTimeout,
		Dial:            amqp.DefaultDial(dialTimeout),
		TLSClientConfig: security,
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

// publish waits until the broker has confirmed a persistent message.
func publish(ctx context.Context, channel *amqp.Channel, queue, body string) error {
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
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		ResponseHeaderTimeout: checkLimit,
		IdleConnTimeout:       checkLimit,
	}
}

// objectStore is a client of an S3 service such as http://minio-external:9000. It tries nothing twice.
func objectStore(endpoint, region, accessKey, secretKey string, security *tls.Config) (*minio.Client, error) {
	parsed, err := url.Parse(endpoint)
	if err != nil || parsed.Host == "" {
		return nil, fmt.Errorf("%q is no URL", endpoint)
	}
	return minio.New(parsed.Host, &minio.Options{
		Creds:        credentials.NewStaticV4(accessKey, secretKey, ""),
		Secure:       parsed.Scheme == "https",
		Region:       region,
		Transport:    transport(security),
		BucketLookup: minio.BucketLookupPath,
		MaxRetries:   1,
	})
}

// elastic is an Elasticsearch node, such as http://elasticsearch-external:9200.
type elastic struct {
	base   string
	client *http.Client
}

func elasticsearch(scheme, host, port string, security *tls.Config) *elastic {
	return &elastic{scheme + "://" + net.JoinHostPort(host, port), &http.Client{Transport: transport(security)}}
}

// call sends a request and reads the answer into result, which may be nil.
func (e *elastic) call(ctx context.Context, method, path string, body, result any) error {
	sent, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if body == nil {
		sent = nil
	}
	request, err := http.NewRequestWithContext(ctx, method, e.base+path, bytes.NewReader(sent))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := e.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, strings.TrimSpace(string(answer)))
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer, result)
}
