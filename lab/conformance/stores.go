package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/jackc/pgx/v5"
	"github.com/minio/minio-go/v7"
	amqp "github.com/rabbitmq/amqp091-go"
)

// security is nil where the service has no TLS.
func (to target) security() (*tls.Config, error) {
	if to.Authority == "" {
		return nil, nil
	}
	return trusting(to.Authority, false)
}

// batch is how many records are asked for at once where they cannot be listed.
const batch = 500

type cassandraStore struct {
	session *gocql.Session
	table   string
}

func openCassandra(_ context.Context, to target, run string) (store, error) {
	security, err := to.security()
	if err != nil {
		return nil, err
	}
	session, err := cassandraSession(to.Addresses, to.Port.or("9042"), "", security)
	if err != nil {
		return nil, err
	}
	keyspace := "conformance_" + run
	for _, statement := range []string{
		fmt.Sprintf("CREATE KEYSPACE IF NOT EXISTS %s WITH replication = "+
			"{'class': 'SimpleStrategy', 'replication_factor': %d}", keyspace, to.Replicas),
		"CREATE TABLE IF NOT EXISTS " + keyspace + ".records (part bigint, number bigint, PRIMARY KEY (part, number))",
	} {
		if err := session.Query(statement).Exec(); err != nil {
			session.Close()
			return nil, err
		}
	}
	return &cassandraStore{session, keyspace + ".records"}, nil
}

func (s *cassandraStore) put(ctx context.Context, number int64) error {
	return s.session.Query("INSERT INTO "+s.table+" (part, number) VALUES (?, ?)", number/batch, number).
		Idempotent(true).RetryPolicy(&gocql.SimpleRetryPolicy{NumRetries: 2}).ExecContext(ctx)
}

func (s *cassandraStore) read(ctx context.Context, last int64, found func(int64)) error {
	for part := int64(0); part <= last/batch; part++ {
		rows := s.session.Query("SELECT number FROM "+s.table+" WHERE part = ?", part).IterContext(ctx)
		var number int64
		for rows.Scan(&number) {
			found(number)
		}
		if err := rows.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (s *cassandraStore) clean(ctx context.Context) error {
	keyspace, _, _ := strings.Cut(s.table, ".")
	return s.session.Query("DROP KEYSPACE " + keyspace).ExecContext(ctx)
}

func (s *cassandraStore) close() { s.session.Close() }

type postgresqlStore struct {
	connection *pgx.Conn
	table      string
}

func openPostgresql(ctx context.Context, to target, run string) (store, error) {
	security, err := to.security()
	if err != nil {
		return nil, err
	}
	connection, err := postgresqlConnection(
		ctx, "read-write", to.Addresses, to.Port.or("5432"), to.User, to.Password, to.Database, security)
	if err != nil {
		return nil, err
	}
	table := "conformance_" + run
	if _, err := connection.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+table+" (number bigint PRIMARY KEY)"); err != nil {
		connection.Close(ctx)
		return nil, err
	}
	return &postgresqlStore{connection, table}, nil
}

func (s *postgresqlStore) put(ctx context.Context, number int64) error {
	_, err := s.connection.Exec(ctx, "INSERT INTO "+s.table+" VALUES ($1) ON CONFLICT DO NOTHING", number)
	return err
}

func (s *postgresqlStore) read(ctx context.Context, _ int64, found func(int64)) error {
	rows, err := s.connection.Query(ctx, "SELECT number FROM "+s.table)
	if err != nil {
		return err
	}
	var number int64
	_, err = pgx.ForEachRow(rows, []any{&number}, func() error {
		found(number)
		return nil
	})
	return err
}

func (s *postgresqlStore) clean(ctx context.Context) error {
	_, err := s.connection.Exec(ctx, "DROP TABLE "+s.table)
	return err
}

func (s *postgresqlStore) close() {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	_ = s.connection.Close(ctx)
}

type elasticsearchStore struct {
	*elastic
	index string
	// copies that have to be there before a write begins: a majority.
	copies int
}

func openElasticsearch(ctx context.Context, to target, run string) (store, error) {
	scheme := "http"
	security, err := to.security()
	if err != nil {
		return nil, err
	}
	if security != nil {
		scheme = "https"
	}
	node := elasticsearch(scheme, to.Addresses[0], to.Port.or("9200"), security)
	s := &elasticsearchStore{node, "/conformance-" + run, to.Replicas/2 + 1}
	settings := map[string]any{"settings": map[string]int{"number_of_shards": 1, "number_of_replicas": to.Replicas - 1}}
	err = s.call(ctx, "PUT", s.index, settings, nil)
	if err != nil && !strings.Contains(err.Error(), "resource_already_exists_exception") {
		return nil, err
	}
	return s, nil
}

func (s *elasticsearchStore) put(ctx context.Context, number int64) error {
	path := fmt.Sprintf("%s/_doc/%d?wait_for_active_shards=%d", s.index, number, s.copies)
	return s.call(ctx, "PUT", path, map[string]int64{"number": number}, nil)
}

func (s *elasticsearchStore) read(ctx context.Context, last int64, found func(int64)) error {
	for first := int64(1); first <= last; first += batch {
		ids := make([]string, 0, batch)
		for number := first; number <= last && number < first+batch; number++ {
			ids = append(ids, strconv.FormatInt(number, 10))
		}
		var answer struct {
			Docs []struct {
				Found  bool
				Source struct{ Number int64 } `json:"_source"`
				Error  any
			}
		}
		if err := s.call(ctx, "POST", s.index+"/_doc/_mget", map[string]any{"ids": ids}, &answer); err != nil {
			return err
		}
		for _, document := range answer.Docs {
			if document.Error != nil {
				return fmt.Errorf("a record cannot be read: %v", document.Error)
			}
			if document.Found {
				found(document.Source.Number)
			}
		}
	}
	return nil
}

func (s *elasticsearchStore) clean(ctx context.Context) error {
	return s.call(ctx, "DELETE", s.index, nil, nil)
}

func (s *elasticsearchStore) close() { s.client.CloseIdleConnections() }

type minioStore struct {
	client         *minio.Client
	bucket, prefix string
}

func openMinio(_ context.Context, to target, run string) (store, error) {
	scheme := "http"
	security, err := to.security()
	if err != nil {
		return nil, err
	}
	if security != nil {
		scheme = "https"
	}
	endpoint := scheme + "://" + to.Addresses[0] + ":" + to.Port.or("9000")
	client, err := objectStore(endpoint, "us-east-1", to.AccessKey, to.SecretKey, security)
	if err != nil {
		return nil, err
	}
	return &minioStore{client, to.Bucket, "conformance-" + run + "/"}, nil
}

func (s *minioStore) put(ctx context.Context, number int64) error {
	text := strconv.FormatInt(number, 10)
	_, err := s.client.PutObject(
		ctx, s.bucket, s.prefix+text, strings.NewReader(text), int64(len(text)), minio.PutObjectOptions{})
	return err
}

func (s *minioStore) read(ctx context.Context, last int64, found func(int64)) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	// Eight at a time: each takes a round trip to all of the erasure set.
	numbers, there := make(chan int64), make(chan int64, last)
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for number := range numbers {
				text, err := s.get(ctx, number)
				switch {
				case err == nil && text == strconv.FormatInt(number, 10):
					there <- number
				case err == nil:
					fail(fmt.Errorf("record %d has the content %q", number, text))
				case minio.ToErrorResponse(err).Code != minio.NoSuchKey:
					fail(err)
				}
			}
		})
	}
	for number := int64(1); number <= last && ctx.Err() == nil; number++ {
		numbers <- number
	}
	close(numbers)
	readers.Wait()
	close(there)
	for number := range there {
		found(number)
	}
	return context.Cause(ctx)
}

func (s *minioStore) get(ctx context.Context, number int64) (string, error) {
	name := s.prefix + strconv.FormatInt(number, 10)
	object, err := s.client.GetObject(ctx, s.bucket, name, minio.GetObjectOptions{})
	if err != nil {
		return "", err
	}
	defer object.Close()
	content, err := io.ReadAll(object)
	return string(content), err
}

func (s *minioStore) clean(ctx context.Context) error {
	objects := s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true})
	for object := range objects {
		if object.Err != nil {
			return object.Err
		}
		if err := s.client.RemoveObject(ctx, s.bucket, object.Key, minio.RemoveObjectOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func (s *minioStore) close() {}

type rabbitmqStore struct {
	connection *amqp.Connection
	channel    *amqp.Channel
	queue      string
}

func openRabbitmq(_ context.Context, to target, run string) (store, error) {
	security, err := to.security()
	if err != nil {
		return nil, err
	}
	port := "5672"
	if security != nil {
		port = "5671"
	}
	vhost := to.VHost
	if vhost == "" {
		vhost = "/"
	}
	connection, channel, err := rabbitmqChannel(
		to.Addresses[0], to.Port.or(port), to.User, to.Password, vhost, security)
	if err != nil {
		return nil, err
	}
	// A quorum queue, as Wire's services declare theirs.
	queue := "conformance-" + run
	_, err = channel.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	if err != nil {
		connection.Close()
		return nil, err
	}
	return &rabbitmqStore{connection, channel, queue}, nil
}

func (s *rabbitmqStore) put(ctx context.Context, number int64) error {
	return publish(ctx, s.channel, s.queue, strconv.FormatInt(number, 10))
}

// read takes the messages without acknowledging them: they come again if this has to be done again.
func (s *rabbitmqStore) read(ctx context.Context, _ int64, found func(int64)) error {
	// Queues keep the order, so that this comes after everything that is there.
	end := "end " + rand.Text()
	if err := publish(ctx, s.channel, s.queue, end); err != nil {
		return err
	}
	deliveries, err := s.channel.ConsumeWithContext(ctx, s.queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for {
		select {
		case message, open := <-deliveries:
			if !open {
				return errors.New("the broker has closed the channel")
			}
			if strings.HasPrefix(string(message.Body), "end ") {
				if string(message.Body) == end {
					return nil
				}
				continue
			}
			number, err := strconv.ParseInt(string(message.Body), 10, 64)
			if err != nil {
				return err
			}
			found(number)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *rabbitmqStore) clean(context.Context) error {
	_, err := s.channel.QueueDelete(s.queue, false, false, false)
	return err
}

func (s *rabbitmqStore) close() { s.connection.Close() }
