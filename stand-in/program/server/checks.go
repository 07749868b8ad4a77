package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/smtp"
	"net/url"
	"os"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"wiab-staging/stand-in/program/kubernetes"
	"wiab-staging/stand-in/program/stores"
	"wiab-staging/stand-in/program/web"
)

// service is one of Wire's, with what its chart gives it.
type service struct {
	name     string
	pod      string
	settings settings
	secrets  secrets
	// session with Cassandra: opening one takes long, and there is no password that could change.
	session *gocql.Session
}

// check uses a dependency and comes back with what went wrong.
type check func(ctx context.Context, s *service) error

// checks that each service has to pass, by the name under which it reports them.
var checks = map[string]map[string]check{
	"brig": {
		"cassandra": cassandraCheck("brig"), "postgresql": checkPostgresql, "elasticsearch": checkElasticsearch,
		"rabbitmq": checkRabbitmq, "smtp": checkSMTP, "sqs": checkSQS, "zauth": checkZauthPair, "turn": checkTURN,
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

// dial opens a connection that ends with the check.
func dial(ctx context.Context, to stores.Values, name string, usual stores.Port) (net.Conn, error) {
	access, err := to.Access(name, "", "")
	if err != nil {
		return nil, err
	}
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", access.Address(usual))
	if err != nil {
		return nil, err
	}
	at, _ := ctx.Deadline()
	return connection, connection.SetDeadline(at)
}

// checkSMTP goes as far as the recipient's acceptance: a mail every few seconds would be too many.
func checkSMTP(ctx context.Context, s *service) error {
	given := s.settings.SMTP
	connection, err := dial(ctx, given, "smtp", "25")
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
	answer, err := web.Do(http.DefaultClient, request)
	return string(answer), err
}

func checkSQS(ctx context.Context, s *service) error {
	queue := s.settings.Aws.InternalQueue + s.settings.Aws.QueueName
	if queue == "" {
		return errors.New("config.aws names no queue")
	}
	form := url.Values{"Action": {"GetQueueUrl"}, "QueueName": {queue}}
	answer, err := aws(ctx, s.settings.Aws.SqsEndpoint, form)
	if err == nil && !strings.Contains(answer, queue) {
		err = fmt.Errorf("there is no queue %s", queue)
	}
	return err
}

func checkSNS(ctx context.Context, s *service) error {
	_, err := aws(ctx, s.settings.Aws.SnsEndpoint, url.Values{"Action": {"ListPlatformApplications"}})
	return err
}

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
	if err := kubernetes.Ask(ctx, "GET", "/api/v1/nodes/"+os.Getenv("NODE_NAME"), nil, &node); err != nil {
		return err
	}
	if net.ParseIP(node.Metadata.Annotations["wire.com/external-ip"]) == nil {
		return fmt.Errorf("node %s has no address in its annotation wire.com/external-ip", os.Getenv("NODE_NAME"))
	}
	return nil
}
