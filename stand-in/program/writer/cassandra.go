package writer

import (
	"context"
	"fmt"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"wiab-staging/stand-in/program/stores"
)

type cassandraStore struct {
	session *gocql.Session
	table   string
}

func openCassandra(_ context.Context, access stores.Access, to target, run string) (store, error) {
	session, err := stores.Cassandra(access, "")
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
