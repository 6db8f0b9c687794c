// Package teststore opens the version table and the history table of a test's database, for the tests
// of the packages above history.
package teststore

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// Table is the name of the version table.
const Table = "schema_migrations"

// Options returns the options of a session that logs to the test's output.
func Options(t *testing.T, url string) postgres.Options {
	t.Helper()
	dsn, err := dsn.Parse(url)
	require.NoError(t, err)
	return postgres.Options{DSN: dsn, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// Open opens a session and its tables until the test ends.
func Open(t *testing.T, d *pgtest.Database) *history.Store {
	t.Helper()
	return OpenWith(t, Options(t, d.URL()), history.Options{Table: Table})
}

// OpenWith is Open with options.
func OpenWith(t *testing.T, session postgres.Options, tables history.Options) *history.Store {
	t.Helper()
	store, err := history.Open(t.Context(), session, tables)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}
