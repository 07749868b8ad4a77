package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// port is a number that charts give as a number or as a text.
type port string

func (p *port) UnmarshalJSON(data []byte) error {
	*p = port(strings.Trim(string(data), `"`))
	return nil
}

func (p port) or(otherwise string) string {
	if p == "" {
		return otherwise
	}
	return string(p)
}

// What the values of Wire's charts say about a dependency, under their own keys.
type (
	cassandraValues struct {
		Host  string
		Port  port
		TLSCa string
	}
	postgresqlValues struct {
		Host, User, Dbname, Sslmode, Sslrootcert string
		Port                                     port
	}
	elasticsearchValues struct {
		Scheme, Host, Index, TLSCa string
		Port                       port
		InsecureSkipVerifyTLS      bool
	}
	rabbitmqValues struct {
		Host, VHost                      string
		Port                             port
		EnableTLS, InsecureSkipVerifyTLS bool
	}
	redisValues struct {
		Host string
		Port port
	}
	smtpValues struct {
		Host, ConnType, Username string
		Port                     port
	}
	awsValues struct {
		Region, S3Bucket, S3Endpoint, S3DownloadEndpoint string
		SqsEndpoint, SnsEndpoint                         string
		InternalQueue, QueueName                         string
	}
)

// values are the `config` of one service in its chart, and what else of the chart concerns it.
type values struct {
	Cassandra, CassandraBrig, CassandraGalley *cassandraValues
	Postgresql                                *postgresqlValues
	Elasticsearch                             *elasticsearchValues
	Rabbitmq                                  *rabbitmqValues
	Redis                                     *redisValues
	SMTP                                      *smtpValues
	Aws                                       *awsValues
	EmailSMS                                  struct{ General struct{ EmailSender string } }
	OptSettings                               struct{ SetSftStaticURL string }
	ExternalURLs                              map[string]string
	TurnStatic                                *struct{ V1, V2 []string }
}

// secrets are those of one service in its chart.
type secrets struct {
	PgPassword, SMTPPassword, AwsKeyID, AwsSecretKey string
	RedisUsername, RedisPassword                     string
	BasicAuth, ConfigJSON                            string
	Rabbitmq                                         struct{ Username, Password string }
	Turn                                             struct{ Secret string }
	ZAuth                                            *struct{ PublicKeys, PrivateKeys string }
	MlsPrivateKeys                                   *struct{ Removal map[string]string }
}

// readJSON fills target from a file; one that is not there leaves it as it is.
func readJSON(path string, target any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, target)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// trusting is a TLS configuration that trusts one authority, in PEM, or the system's if there is none.
func trusting(authority string, insecure bool) (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: insecure}
	if authority != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(authority)) {
			return nil, errors.New("the authority's certificate is not PEM")
		}
	}
	return config, nil
}
