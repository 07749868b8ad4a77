// Package migrate does what Wire's jobs do before its services start.
package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"wiab-staging/stand-in/program/repeat"
	"wiab-staging/stand-in/program/stores"
)

// Run is the mode `migrate`. `migrate cassandra` makes the services' keyspaces, and `migrate elasticsearch` the index of
// users. The second argument has the values of the job's chart.
func Run(ctx context.Context, arguments []string) error {
	if len(arguments) != 2 {
		return errors.New("usage: conformance migrate cassandra|elasticsearch VALUES")
	}
	var given struct {
		Cassandra struct {
			stores.Values
			ReplicationFactor json.Number
		}
		Elasticsearch stores.Values
	}
	if err := json.Unmarshal([]byte(arguments[1]), &given); err != nil {
		return err
	}
	attempt := map[string]func() error{
		"cassandra": func() error {
			return makeKeyspaces(ctx, given.Cassandra.Values, given.Cassandra.ReplicationFactor)
		},
		"elasticsearch": func() error { return makeIndex(ctx, given.Elasticsearch) },
	}[arguments[0]]
	if attempt == nil {
		return fmt.Errorf("there is nothing to migrate called %q", arguments[0])
	}
	// The service may be on its way; the job's own deadline ends this. So it has as long for one attempt, too.
	return repeat.Until(ctx, arguments[0], 2*time.Second, func(context.Context) error { return attempt() })
}

func makeKeyspaces(ctx context.Context, given stores.Values, replicas json.Number) error {
	access, err := given.Access("cassandra", "", "")
	if err != nil {
		return err
	}
	session, err := stores.Cassandra(access, "")
	if err != nil {
		return err
	}
	defer session.Close()
	for _, keyspace := range []string{"brig", "galley", "gundeck", "spar"} {
		for _, statement := range []string{
			fmt.Sprintf("CREATE KEYSPACE IF NOT EXISTS %s WITH replication = "+
				"{'class': 'SimpleStrategy', 'replication_factor': %s}", keyspace, replicas),
			"CREATE TABLE IF NOT EXISTS " + keyspace +
				".conformance (service text, pod text, text text, PRIMARY KEY (service, pod))",
		} {
			if err := session.Query(statement).ExecContext(ctx); err != nil {
				return err
			}
			if err := session.AwaitSchemaAgreement(ctx); err != nil {
				return err
			}
		}
		fmt.Printf("keyspace %s is there\n", keyspace)
	}
	return nil
}

func makeIndex(ctx context.Context, given stores.Values) error {
	access, err := given.Access("elasticsearch", "", "")
	if err != nil {
		return err
	}
	// As many copies as there are nodes for, and not more than three.
	settings := map[string]any{"number_of_shards": 5, "auto_expand_replicas": "0-2"}
	if err := stores.Elasticsearch(access).MakeIndex(ctx, given.Index, settings); err != nil {
		return err
	}
	fmt.Printf("index %s is there\n", given.Index)
	return nil
}
