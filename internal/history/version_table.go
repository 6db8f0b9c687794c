package history

import (
	"context"
	"errors"
	"fmt"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/script/syntax"
)

func (t TableName) DisplayName() string {
	if t.Schema == "" {
		return syntax.QuoteIfNeeded(t.Name)
	}
	return syntax.QuoteIfNeeded(t.Schema) + "." + syntax.QuoteIfNeeded(t.Name)
}

// A tableName is a table's name with its schema.
type TableName struct{ Schema, Name string }

func (t TableName) String() string { return t.Schema + "." + t.Name }
func (t TableName) Quoted() string {
	return pq.QuoteIdentifier(t.Schema) + "." + pq.QuoteIdentifier(t.Name)
}

// NoVersion is the version of a database without migrations, as in golang-migrate.
const NoVersion = -1

// State is the content of the version table.
type State struct {
	Version int // NoVersion before the first migration
	Dirty   bool
}

// State reads the version. If the table does not exist or is empty, the version is
// NoVersion.
func (store *Store) State(ctx context.Context) (State, error) {
	none := State{Version: NoVersion}
	if !store.VersionTableExists {
		err := store.session.QueryRow(ctx, `SELECT coalesce(bool_or(c.relname = $2), false), coalesce(bool_or(c.relname = $3), false)
			FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname IN ($2, $3)`,
			store.Table.Schema, store.Table.Name, store.Table.Name+HistorySuffix).Scan(&store.VersionTableExists, &store.HistoryExists)
		if err != nil || !store.VersionTableExists {
			return none, store.session.ClassifyError(ctx, err)
		}
	}
	return store.readVersion(ctx, store.Table)
}

// Head reads the version and, in the same round trip, the digest of the migration files in the last
// history row if that row is applied or imported; see Run.FilesDigest. It is "" otherwise.
func (store *Store) Head(ctx context.Context) (st State, filesDigest string, err error) {
	if !store.VersionTableExists || !store.HistoryExists {
		st, err = store.State(ctx)
		return st, "", err
	}
	clean := postgres.LiteralOrNull(RunApplied) + ", " + postgres.LiteralOrNull(RunImported)
	// The version is NULL if there are two rows, or none with a version; State reports which.
	err = store.session.QueryRow(ctx, `SELECT CASE WHEN count(*) = 1 AND count(version) = 1 THEN max(version) END, bool_or(dirty), coalesce((SELECT CASE WHEN outcome IN (`+clean+`) THEN catalog END
		FROM `+store.HistoryQuery()+` history ORDER BY id DESC LIMIT 1), '') FROM `+store.Table.Quoted()).Scan(&st.Version, &st.Dirty, &filesDigest)
	var server *pq.Error
	var odd *postgres.ConversionError
	if errors.As(err, &odd) || errors.As(err, &server) { // no valid version, or no privilege on one of the tables: reading them separately reports which
		st, err = store.State(ctx)
		return st, "", err
	}
	if err != nil {
		return st, "", store.session.ClassifyError(ctx, err)
	}
	return st, filesDigest, nil
}

// writeVersionSQL returns the SQL that sets the version table to st, in the form of
// golang-migrate's driver: one row, or none for no version. It uses DELETE instead of TRUNCATE,
// which would wait for every reader of the table.
func (store *Store) WriteVersionSQL(st State) string {
	var insert string
	if st.Version != NoVersion || st.Dirty {
		insert = fmt.Sprintf("INSERT INTO %s (version, dirty) VALUES (%d, %t);\n", store.Table.Quoted(), st.Version, st.Dirty)
	}
	return store.CreateVersionTableSQL() + "DELETE FROM " + store.Table.Quoted() + ";\n" + insert
}

// createVersionTableSQL returns the SQL that creates the version table, or "" if it exists.
func (store *Store) CreateVersionTableSQL() string {
	if store.VersionTableExists {
		return ""
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL);\n", store.Table.Quoted())
}
