package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// migrate does what Wire's jobs do before its services start: `migrate cassandra` makes their keyspaces, and
// `migrate elasticsearch` the index of users. The second argument has the values of the job's chart.
func migrate(ctx context.Context, arguments []string) error {
	if len(arguments) != 2 {
		return errors.New("usage: conformance migrate cassandra|elasticsearch VALUES")
	}
	var given struct {
		Cassandra *struct {
			cassandraValues
			ReplicationFactor port
		}
		Elasticsearch *elasticsearchValues
	}
	if err := json.Unmarshal([]byte(arguments[1]), &given); err != nil {
		return err
	}
	attempt := func() error { return fmt.Errorf("there is nothing to migrate called %q", arguments[0]) }
	switch {
	case arguments[0] == "cassandra" && given.Cassandra != nil:
		attempt = func() error {
			return migrateCassandra(ctx, given.Cassandra.cassandraValues, string(given.Cassandra.ReplicationFactor))
		}
	case arguments[0] == "elasticsearch" && given.Elasticsearch != nil:
		attempt = func() error { return migrateElasticsearch(ctx, given.Elasticsearch) }
	}
	// The service may be on its way; the job's own deadline ends this.
	for {
		err := attempt()
		if err == nil {
			return nil
		}
		fmt.Println(err)
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
			return err
		}
	}
}

func migrateCassandra(ctx context.Context, given cassandraValues, replicas string) error {
	session, err := cassandraSession([]string{given.Host}, given.Port.or("9042"), "", nil)
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

func migrateElasticsearch(ctx context.Context, given *elasticsearchValues) error {
	node, err := given.open()
	if err != nil {
		return err
	}
	// As many copies as there are nodes for, and not more than three.
	settings := map[string]any{"settings": map[string]any{"number_of_shards": 5, "auto_expand_replicas": "0-2"}}
	err = node.call(ctx, "PUT", "/"+given.Index, settings, nil)
	if err != nil && !strings.Contains(err.Error(), "resource_already_exists_exception") {
		return err
	}
	fmt.Printf("index %s is there\n", given.Index)
	return nil
}
