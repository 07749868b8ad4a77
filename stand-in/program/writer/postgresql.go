package writer

import (
	"context"

	"github.com/jackc/pgx/v5"

	"wiab-staging/stand-in/program/stores"
)

type postgresqlStore struct {
	connection *pgx.Conn
	table      string
}

func openPostgresql(ctx context.Context, access stores.Access, _ target, run string) (store, error) {
	connection, err := stores.PostgreSQL(ctx, access, "read-write")
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
	ctx, cancel := context.WithTimeout(context.Background(), stores.DialTimeout)
	defer cancel()
	_ = s.connection.Close(ctx)
}
