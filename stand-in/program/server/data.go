package server

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"

	"wiab-staging/stand-in/program/stores"
)

// same compares what was written with what was read.
func same(written, read string) error {
	if written != read {
		return fmt.Errorf("wrote %q and read %q", written, read)
	}
	return nil
}

func cassandraCheck(keyspace string) check {
	return func(ctx context.Context, s *service) error {
		access, err := s.settings.Cassandra.Access("cassandra", "", "")
		if err != nil {
			return err
		}
		if s.session == nil {
			if s.session, err = stores.Cassandra(access, keyspace); err != nil {
				return err
			}
		}
		text, there := rand.Text(), ""
		err = s.session.Query("INSERT INTO conformance (service, pod, text) VALUES (?, ?, ?)", s.name, s.pod, text).
			ExecContext(ctx)
		if err == nil {
			err = s.session.Query("SELECT text FROM conformance WHERE service = ? AND pod = ?", s.name, s.pod).
				ScanContext(ctx, &there)
		}
		if err != nil {
			s.session.Close()
			s.session = nil
			return err
		}
		return same(text, there)
	}
}

func checkPostgresql(ctx context.Context, s *service) error {
	access, err := s.settings.Postgresql.Access("postgresql", s.settings.Postgresql.User, s.secrets.PgPassword)
	if err != nil {
		return err
	}
	connection, err := stores.PostgreSQL(ctx, access, "read-write")
	if err != nil {
		return err
	}
	defer connection.Close(context.WithoutCancel(ctx))
	// Services make their schema themselves. One at a time: IF NOT EXISTS fails when two make the same table.
	_, err = connection.Exec(ctx, "SELECT pg_advisory_lock(7); CREATE TABLE IF NOT EXISTS conformance "+
		"(service text, pod text, text text, PRIMARY KEY (service, pod)); SELECT pg_advisory_unlock(7)")
	if err != nil {
		return err
	}
	text, there := rand.Text(), ""
	_, err = connection.Exec(ctx, "INSERT INTO conformance VALUES ($1, $2, $3) "+
		"ON CONFLICT (service, pod) DO UPDATE SET text = excluded.text", s.name, s.pod, text)
	if err == nil {
		err = connection.QueryRow(ctx, "SELECT text FROM conformance WHERE service = $1 AND pod = $2", s.name, s.pod).
			Scan(&there)
	}
	if err != nil {
		return err
	}
	return same(text, there)
}

func checkElasticsearch(ctx context.Context, s *service) error {
	access, err := s.settings.Elasticsearch.Access("elasticsearch", "", "")
	if err != nil {
		return err
	}
	node := stores.Elasticsearch(access)
	defer node.Close()
	index := "/" + s.settings.Elasticsearch.Index
	// Without this a write would make an index that is not there.
	if err := node.Call(ctx, "GET", index, nil, nil); err != nil {
		return err
	}
	path, text := index+"/_doc/conformance-"+s.pod, rand.Text()
	if err := node.Call(ctx, "PUT", path, map[string]string{"conformance": text}, nil); err != nil {
		return err
	}
	var answer struct {
		Source struct{ Conformance string } `json:"_source"`
	}
	if err := node.Call(ctx, "GET", path, nil, &answer); err != nil {
		return err
	}
	if err := node.Call(ctx, "DELETE", path, nil, nil); err != nil {
		return err
	}
	return same(text, answer.Source.Conformance)
}

func checkRabbitmq(ctx context.Context, s *service) error {
	// Cargohold's chart has credentials and no address: it needs one for federation alone.
	if s.name == "cargohold" && s.settings.Rabbitmq.Host == "" {
		return nil
	}
	user := s.secrets.Rabbitmq
	access, err := s.settings.Rabbitmq.Access("rabbitmq", user.Username, user.Password)
	if err != nil {
		return err
	}
	connection, channel, err := stores.RabbitMQ(access)
	if err != nil {
		return err
	}
	defer connection.Close()
	queue, err := channel.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return err
	}
	text := rand.Text()
	if err := stores.Publish(ctx, channel, queue.Name, text); err != nil {
		return err
	}
	message, there, err := channel.Get(queue.Name, true)
	if err == nil && !there {
		err = errors.New("a message that was confirmed is not in its queue")
	}
	if err != nil {
		return err
	}
	return same(text, string(message.Body))
}

func checkS3(ctx context.Context, s *service) error {
	given := s.settings.Aws
	if download, err := url.Parse(given.S3DownloadEndpoint); err != nil || download.Host == "" {
		return fmt.Errorf("s3DownloadEndpoint %q is no URL", given.S3DownloadEndpoint)
	}
	endpoint, err := url.Parse(given.S3Endpoint)
	if err != nil {
		return err
	}
	access, err := stores.Values{
		Scheme: endpoint.Scheme, Host: endpoint.Hostname(), Port: stores.Port(endpoint.Port()),
	}.Access("s3Endpoint", s.secrets.AwsKeyID, s.secrets.AwsSecretKey)
	if err != nil {
		return err
	}
	client, err := stores.MinIO(access, given.Region)
	if err != nil {
		return err
	}
	name, text := "conformance/"+s.pod, rand.Text()
	if err := stores.WriteObject(ctx, client, given.S3Bucket, name, text); err != nil {
		return fmt.Errorf("writing to bucket %s: %w", given.S3Bucket, err)
	}
	there, err := stores.ReadObject(ctx, client, given.S3Bucket, name)
	if err != nil {
		return fmt.Errorf("reading from bucket %s: %w", given.S3Bucket, err)
	}
	// Cargohold removes assets, which a policy may have forgotten to allow.
	if err := client.RemoveObject(ctx, given.S3Bucket, name, minio.RemoveObjectOptions{}); err != nil {
		return fmt.Errorf("removing from bucket %s: %w", given.S3Bucket, err)
	}
	return same(text, there)
}

func checkRedis(ctx context.Context, s *service) error {
	connection, err := dial(ctx, s.settings.Redis, "redis", "6379")
	if err != nil {
		return err
	}
	defer connection.Close()
	answers := bufio.NewReader(connection)
	ask := func(words ...string) (string, error) {
		fmt.Fprintf(connection, "*%d\r\n", len(words))
		for _, word := range words {
			fmt.Fprintf(connection, "$%d\r\n%s\r\n", len(word), word)
		}
		line, err := answers.ReadString('\n')
		if err == nil && line[0] == '$' {
			line, err = answers.ReadString('\n')
		}
		line = strings.TrimSpace(line)
		if err == nil && strings.HasPrefix(line, "-") {
			err = errors.New(line[1:])
		}
		return line, err
	}
	if s.secrets.RedisPassword != "" {
		login := []string{"AUTH"}
		if s.secrets.RedisUsername != "" {
			login = append(login, s.secrets.RedisUsername)
		}
		if _, err := ask(append(login, s.secrets.RedisPassword)...); err != nil {
			return err
		}
	}
	key, text := "conformance-"+s.pod, rand.Text()
	if _, err := ask("SET", key, text, "EX", "60"); err != nil {
		return err
	}
	there, err := ask("GET", key)
	if err != nil {
		return err
	}
	return same(text, there)
}
