package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"net/url"
	"os"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/minio/minio-go/v7"
)

// service is one of Wire's, with what its chart gives it.
type service struct {
	name     string
	pod      string
	settings values
	secrets  secrets
	// sessions with Cassandra, by keyspace: opening one takes long, and there is no password that could change.
	sessions map[string]*gocql.Session
}

// check uses a dependency and comes back with what went wrong.
type check func(ctx context.Context, s *service) error

// checks that each service has to pass, by the name under which it reports them.
var checks = map[string]map[string]check{
	"brig": {
		"cassandra": cassandraCheck("brig"), "postgresql": checkPostgresql, "elasticsearch": checkElasticsearch,
		"rabbitmq": checkRabbitmq, "smtp": checkSMTP, "sqs": checkSQS, "zauth": checkZauthPair, "turn": checkTurn,
	},
	"galley": {
		"cassandra": cassandraCheck("galley"), "postgresql": checkPostgresql, "rabbitmq": checkRabbitmq, "mls": checkMLS,
	},
	"gundeck": {
		"cassandra": cassandraCheck("gundeck"), "rabbitmq": checkRabbitmq, "redis": checkRedis,
		"sqs": checkSQS, "sns": checkSNS,
	},
	"cannon":    {"cassandra": cassandraCheck("gundeck"), "rabbitmq": checkRabbitmq},
	"cargohold": {"s3": checkS3, "rabbitmq": checkRabbitmq},
	"spar":      {"cassandra": cassandraCheck("spar")},
	"nginz":     {"zauth": checkZauth},
	"background-worker": {
		"cassandra": cassandraCheck("gundeck"), "postgresql": checkPostgresql, "rabbitmq": checkRabbitmq,
	},
	"webapp":        {"urls": checkURLs},
	"account-pages": {"urls": checkURLs},
	"team-settings": {"urls": checkURLs},
	"sftd":          {"external-ip": checkExternalIP},
}

// missing is the error of a dependency without settings.
func missing(key string) error { return fmt.Errorf("the chart was given no config.%s", key) }

func cassandraCheck(keyspace string) check {
	return func(ctx context.Context, s *service) error {
		given := s.settings.Cassandra
		if given == nil {
			return missing("cassandra")
		}
		session := s.sessions[keyspace]
		if session == nil {
			var security *tls.Config
			var err error
			if given.TLSCa != "" {
				if security, err = trusting(given.TLSCa, false); err != nil {
					return err
				}
			}
			if session, err = cassandraSession([]string{given.Host}, given.Port.or("9042"), keyspace, security); err != nil {
				return err
			}
			s.sessions[keyspace] = session
		}
		text, there := rand.Text(), ""
		err := session.Query("INSERT INTO conformance (service, pod, text) VALUES (?, ?, ?)", s.name, s.pod, text).ExecContext(ctx)
		if err == nil {
			err = session.Query("SELECT text FROM conformance WHERE service = ? AND pod = ?", s.name, s.pod).
				ScanContext(ctx, &there)
		}
		if err != nil {
			session.Close()
			delete(s.sessions, keyspace)
			return err
		}
		return same(text, there)
	}
}

// same compares what was written with what was read.
func same(written, read string) error {
	if written != read {
		return fmt.Errorf("wrote %q and read %q", written, read)
	}
	return nil
}

func checkPostgresql(ctx context.Context, s *service) error {
	given := s.settings.Postgresql
	if given == nil {
		return missing("postgresql")
	}
	var security *tls.Config
	if given.Sslmode != "" && given.Sslmode != "disable" {
		authority, err := os.ReadFile(given.Sslrootcert)
		if given.Sslrootcert != "" && err != nil {
			return err
		}
		if security, err = trusting(string(authority), given.Sslmode == "require"); err != nil {
			return err
		}
	}
	connection, err := postgresqlConnection(ctx, "read-write", []string{given.Host}, given.Port.or("5432"),
		given.User, s.secrets.PgPassword, given.Dbname, security)
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
	given := s.settings.Elasticsearch
	if given == nil {
		return missing("elasticsearch")
	}
	node, err := given.open()
	if err != nil {
		return err
	}
	defer node.client.CloseIdleConnections()
	// Without this a write would make an index that is not there.
	if err := node.call(ctx, "GET", "/"+given.Index, nil, nil); err != nil {
		return err
	}
	path := "/" + given.Index + "/_doc/conformance-" + s.pod
	text := rand.Text()
	if err := node.call(ctx, "PUT", path, map[string]string{"conformance": text}, nil); err != nil {
		return err
	}
	var answer struct {
		Source struct{ Conformance string } `json:"_source"`
	}
	if err := node.call(ctx, "GET", path, nil, &answer); err != nil {
		return err
	}
	if err := node.call(ctx, "DELETE", path, nil, nil); err != nil {
		return err
	}
	return same(text, answer.Source.Conformance)
}

func (given *elasticsearchValues) open() (*elastic, error) {
	security, err := trusting(given.TLSCa, given.InsecureSkipVerifyTLS)
	if err != nil {
		return nil, err
	}
	return elasticsearch(given.Scheme, given.Host, given.Port.or("9200"), security), nil
}

func checkRabbitmq(ctx context.Context, s *service) error {
	given := s.settings.Rabbitmq
	// Cargohold's chart has credentials and no address: it needs one for federation alone.
	if given == nil && s.name == "cargohold" {
		return nil
	}
	if given == nil {
		return missing("rabbitmq")
	}
	var security *tls.Config
	if given.EnableTLS {
		security = &tls.Config{InsecureSkipVerify: given.InsecureSkipVerifyTLS}
	}
	user := s.secrets.Rabbitmq
	connection, channel, err := rabbitmqChannel(
		given.Host, given.Port.or("5672"), user.Username, user.Password, given.VHost, security)
	if err != nil {
		return err
	}
	defer connection.Close()
	queue, err := channel.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return err
	}
	text := rand.Text()
	if err := publish(ctx, channel, queue.Name, text); err != nil {
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
	if given == nil {
		return missing("aws")
	}
	if download, err := url.Parse(given.S3DownloadEndpoint); err != nil || download.Host == "" {
		return fmt.Errorf("s3DownloadEndpoint %q is no URL", given.S3DownloadEndpoint)
	}
	client, err := objectStore(given.S3Endpoint, given.Region, s.secrets.AwsKeyID, s.secrets.AwsSecretKey, nil)
	if err != nil {
		return err
	}
	name, text := "conformance/"+s.pod, rand.Text()
	_, err = client.PutObject(ctx, given.S3Bucket, name, strings.NewReader(text), int64(len(text)), minio.PutObjectOptions{})
	if err != nil {
		return fmt.Errorf("writing to bucket %s: %w", given.S3Bucket, err)
	}
	object, err := client.GetObject(ctx, given.S3Bucket, name, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer object.Close()
	there, err := io.ReadAll(object)
	if err != nil {
		return fmt.Errorf("reading from bucket %s: %w", given.S3Bucket, err)
	}
	// Cargohold removes assets, which a policy may have forgotten to allow.
	if err := client.RemoveObject(ctx, given.S3Bucket, name, minio.RemoveObjectOptions{}); err != nil {
		return fmt.Errorf("removing from bucket %s: %w", given.S3Bucket, err)
	}
	return same(text, string(there))
}

func checkRedis(ctx context.Context, s *service) error {
	given := s.settings.Redis
	if given == nil {
		return missing("redis")
	}
	connection, err := dial(ctx, given.Host, given.Port.or("6379"))
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

// dial opens a connection that ends with the check.
func dial(ctx context.Context, host, port string) (net.Conn, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	return connection, connection.SetDeadline(deadline(ctx))
}

// checkSMTP goes as far as the recipient's acceptance: a mail every few seconds would be too many.
func checkSMTP(ctx context.Context, s *service) error {
	given := s.settings.SMTP
	if given == nil {
		return missing("smtp")
	}
	connection, err := dial(ctx, given.Host, given.Port.or("25"))
	if err != nil {
		return err
	}
	if given.ConnType == "ssl" {
		connection = tls.Client(connection, &tls.Config{ServerName: given.Host})
	}
	defer connection.Close()
	client, err := smtp.NewClient(connection, given.Host)
	if err != nil {
		return err
	}
	if given.ConnType == "tls" {
		if err := client.StartTLS(&tls.Config{ServerName: given.Host}); err != nil {
			return err
		}
	}
	if given.Username != "" {
		if err := client.Auth(smtp.PlainAuth("", given.Username, s.secrets.SMTPPassword, given.Host)); err != nil {
			return err
		}
	}
	sender := s.settings.EmailSMS.General.EmailSender
	if err := client.Mail(sender); err != nil {
		return err
	}
	if err := client.Rcpt(sender); err != nil {
		return err
	}
	return client.Quit()
}

// aws asks a stand-in for an AWS service.
func aws(ctx context.Context, endpoint string, form url.Values) (string, error) {
	request, err := http.NewRequestWithContext(ctx, "POST", endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s of %s: %s", form.Get("Action"), endpoint, response.Status)
	}
	return string(answer), err
}

func checkSQS(ctx context.Context, s *service) error {
	given := s.settings.Aws
	if given == nil {
		return missing("aws")
	}
	queue := given.InternalQueue + given.QueueName
	if queue == "" {
		return errors.New("config.aws names no queue")
	}
	answer, err := aws(ctx, given.SqsEndpoint, url.Values{"Action": {"GetQueueUrl"}, "QueueName": {queue}})
	if err == nil && !strings.Contains(answer, queue) {
		err = fmt.Errorf("there is no queue %s", queue)
	}
	return err
}

func checkSNS(ctx context.Context, s *service) error {
	given := s.settings.Aws
	if given == nil {
		return missing("aws")
	}
	_, err := aws(ctx, given.SnsEndpoint, url.Values{"Action": {"ListPlatformApplications"}})
	return err
}

// checkZauthPair is brig's: it has both keys.
func checkZauthPair(_ context.Context, s *service) error {
	text := rand.Text()
	signature, err := signZauth(s.secrets, text)
	if err != nil {
		return err
	}
	return verifyZauth(s.secrets, text, signature)
}

// checkZauth is nginz': brig signs, and nginz verifies with the key that its own chart was given.
func checkZauth(ctx context.Context, s *service) error {
	if s.secrets.BasicAuth == "" {
		return errors.New("no basicAuth among the secrets")
	}
	text := rand.Text()
	for _, peer := range peers(ctx) {
		answer, err := get(ctx, "http://"+peer+"/i/sign?text="+text)
		// Other services answer, too, with a page.
		if err == nil && len(answer) == ed25519.SignatureSize {
			return verifyZauth(s.secrets, text, answer)
		}
	}
	return errors.New("no pod of brig signs")
}

func checkTurn(_ context.Context, s *service) error { return checkTURN(s.settings, s.secrets) }
func checkMLS(_ context.Context, s *service) error  { return checkRemovalKeys(s.secrets) }

// checkURLs sees that the pages know where the backend is.
func checkURLs(_ context.Context, s *service) error {
	for _, name := range []string{"backendRest", "appHost"} {
		host := s.settings.ExternalURLs[name]
		if parsed, err := url.Parse("https://" + host); err != nil || host == "" || parsed.Host != host {
			return fmt.Errorf("config.externalUrls.%s: %q is no host name", name, host)
		}
	}
	return nil
}

// checkExternalIP looks at the annotation from which sftd and coturn learn the address that clients see.
func checkExternalIP(ctx context.Context, _ *service) error {
	var node struct {
		Metadata struct{ Annotations map[string]string }
	}
	if err := kubernetes(ctx, "GET", "/api/v1/nodes/"+os.Getenv("NODE_NAME"), nil, &node); err != nil {
		return err
	}
	if net.ParseIP(node.Metadata.Annotations["wire.com/external-ip"]) == nil {
		return fmt.Errorf("node %s has no address in its annotation wire.com/external-ip", os.Getenv("NODE_NAME"))
	}
	return nil
}

// get reads an answer of status 200.
func get(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, "GET", address, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	// A service that is not ready says what is wrong.
	if err == nil && response.StatusCode != http.StatusOK && !json.Valid(body) {
		err = errors.New(response.Status)
	}
	return body, err
}
