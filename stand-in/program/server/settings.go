package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"wiab-staging/stand-in/program/stores"
)

// settings are the `config` of one service in its chart, and what else of the chart concerns it.
type settings struct {
	Cassandra, Postgresql, Elasticsearch, Rabbitmq, Redis, SMTP stores.Values

	Aws struct {
		Region, S3Bucket, S3Endpoint, S3DownloadEndpoint string
		SqsEndpoint, SnsEndpoint                         string
		InternalQueue, QueueName                         string
	}
	EmailSMS     struct{ General struct{ EmailSender string } }
	OptSettings  struct{ SetSftStaticURL string }
	ExternalURLs map[string]string
	TurnStatic   struct{ V2 []string }
}

// secrets are those of one service in its chart.
type secrets struct {
	PgPassword, SMTPPassword, AwsKeyID, AwsSecretKey string
	RedisUsername, RedisPassword                     string
	BasicAuth                                        string
	Rabbitmq                                         struct{ Username, Password string }
	Turn                                             struct{ Secret string }
	ZAuth                                            struct{ PublicKeys, PrivateKeys string }
	MlsPrivateKeys                                   struct{ Removal map[string]string }
}

// readJSON fills target from a file; one that is not there leaves it as it is: a page has no secrets.
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
