package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/postgres"
)

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
			store.Table.Schema, store.Table.Name, store.Table.Name+Suffix).Scan(&store.VersionTableExists, &store.HistoryExists)
		if err != nil || !store.VersionTableExists {
			return none, store.session.ClassifyError(ctx, err)
		}
	}
	return store.readVersion(ctx, store.Table)
}

// Head reads the version and, in the same round trip, the digest of the migration files in the last
// history row if that row is applied or imported; see Entry.FilesDigest. It is "" otherwise.
func (store *Store) Head(ctx context.Context) (st State, filesDigest string, err error) {
	if !store.VersionTableExists || !store.HistoryExists {
		st, err = store.State(ctx)
		return st, "", err
	}
	clean := postgres.LiteralOrNull(Applied) + ", " + postgres.LiteralOrNull(Imported)
	// The version is NULL if there are two rows, or none with a version; State reports which.
	err = store.session.QueryRow(ctx, `SELECT CASE WHEN count(*) = 1 AND count(version) = 1 THEN max(version) END, bool_or(dirty), coalesce((SELECT CASE WHEN outcome IN (`+clean+`) THEN files_digest END
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

// WriteVersionSQL returns the SQL that sets the version table to st, in the form of
// golang-migrate's driver: one row, or none for no version. It uses DELETE instead of TRUNCATE,
// which would wait for every reader of the table.
func (store *Store) WriteVersionSQL(st State) string {
	var insert string
	if st.Version != NoVersion || st.Dirty {
		insert = fmt.Sprintf("INSERT INTO %s (version, dirty) VALUES (%d, %t);\n", store.Table.Quoted(), st.Version, st.Dirty)
	}
	return store.CreateVersionTableSQL() + "DELETE FROM " + store.Table.Quoted() + ";\n" + insert
}

// CreateVersionTableSQL returns the SQL that creates the version table, or "" if it exists.
func (store *Store) CreateVersionTableSQL() string {
	if store.VersionTableExists {
		return ""
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL);\n", store.Table.Quoted())
}

// readVersion reads a version table. An empty table means no version.
func (store *Store) readVersion(ctx context.Context, t TableName) (State, error) {
	rows, err := store.session.Query(ctx, "SELECT version, dirty FROM "+t.Quoted()+" LIMIT 2")
	if err != nil {
		return State{Version: NoVersion}, store.session.ClassifyError(ctx, fmt.Errorf("version table %s: %w", t, err))
	}
	st, err := ScanVersion(rows, t)
	return st, store.session.ClassifyError(ctx, errors.Join(err, rows.Close()))
}

// ScanVersion reads the rows of a version table: none, or one that golang-migrate could have
// written.
func ScanVersion(rows *sql.Rows, t TableName) (State, error) {
	st := State{Version: NoVersion}
	var seen []string
	for rows.Next() {
		var version sql.NullInt64
		var dirty sql.NullBool
		if err := rows.Scan(&version, &dirty); err != nil {
			return st, &postgres.ConversionError{Err: err}
		}
		if !version.Valid || !dirty.Valid || version.Int64 < int64(NoVersion) {
			return st, &postgres.ConversionError{Err: &TableError{Problem: InvalidVersionRow, Schema: t.Schema, Table: t.Name, VersionTable: t.Name,
				Message: fmt.Sprintf("%s contains a row without a valid version", t),
				Detail:  fmt.Sprintf("its version is %s and dirty is %s; golang-migrate writes a number and true or false", nullable(version.Valid, version.Int64), nullable(dirty.Valid, dirty.Bool)),
			}}
		}
		st = State{Version: int(version.Int64), Dirty: dirty.Bool}
		seen = append(seen, fmt.Sprint(version.Int64))
	}
	if err := rows.Err(); err != nil {
		return st, err
	}
	if len(seen) > 1 {
		return State{Version: NoVersion}, &postgres.ConversionError{Err: &TableError{Problem: SeveralVersionRows, Schema: t.Schema, Table: t.Name, VersionTable: t.Name,
			Message: fmt.Sprintf("%s contains more than one row (versions %s)", t, strings.Join(seen, " and ")),
			Detail:  "golang-migrate uses one row, so the version of the schema is unknown; inherited tables count, too",
		}}
	}
	return st, nil
}

func nullable(valid bool, v any) string {
	if !valid {
		return "NULL"
	}
	return fmt.Sprint(v)
}
