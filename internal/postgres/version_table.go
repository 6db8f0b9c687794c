package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/lib/pq"
)

// State is the content of the version table.
type State struct {
	Version int // database.NilVersion (-1) before the first migration
	Dirty   bool
}

// State reads the version. If the table does not exist or is empty, the version is
// database.NilVersion.
func (db *DB) State(ctx context.Context) (State, error) {
	none := State{Version: database.NilVersion}
	if !db.versionTableExists {
		err := db.queryRow(ctx, `SELECT coalesce(bool_or(c.relname = $2), false), coalesce(bool_or(c.relname = $3), false)
			FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname IN ($2, $3)`,
			db.table.schema, db.table.name, db.table.name+historySuffix).Scan(&db.versionTableExists, &db.historyExists)
		if err != nil || !db.versionTableExists {
			return none, db.classifyError(ctx, err)
		}
	}
	return db.readVersion(ctx, db.table)
}

// Head reads the version and, in the same round trip, the digest of the migration files in the last
// history row if that row is applied or imported; see Run.FilesDigest. It is "" otherwise.
func (db *DB) Head(ctx context.Context) (st State, filesDigest string, err error) {
	if !db.versionTableExists || !db.historyExists {
		st, err = db.State(ctx)
		return st, "", err
	}
	clean := literalOrNull(RunApplied) + ", " + literalOrNull(RunImported)
	// The version is NULL if there are two rows, or none with a version; State reports which.
	err = db.queryRow(ctx, `SELECT CASE WHEN count(*) = 1 AND count(version) = 1 THEN max(version) END, bool_or(dirty), coalesce((SELECT CASE WHEN outcome IN (`+clean+`) THEN catalog END
		FROM `+db.historyQuery()+` history ORDER BY id DESC LIMIT 1), '') FROM `+db.table.quoted()).Scan(&st.Version, &st.Dirty, &filesDigest)
	var server *pq.Error
	var odd *ConversionError
	if errors.As(err, &odd) || errors.As(err, &server) { // no valid version, or no privilege on one of the tables: reading them separately reports which
		st, err = db.State(ctx)
		return st, "", err
	}
	if err != nil {
		return st, "", db.classifyError(ctx, err)
	}
	return st, filesDigest, nil
}

// writeVersionSQL returns the SQL that sets the version table to st, in the form of
// golang-migrate's driver: one row, or none for no version. It uses DELETE instead of TRUNCATE,
// which would wait for every reader of the table.
func (db *DB) writeVersionSQL(st State) string {
	var insert string
	if st.Version != database.NilVersion || st.Dirty {
		insert = fmt.Sprintf("INSERT INTO %s (version, dirty) VALUES (%d, %t);\n", db.table.quoted(), st.Version, st.Dirty)
	}
	return db.createVersionTableSQL() + "DELETE FROM " + db.table.quoted() + ";\n" + insert
}

// createVersionTableSQL returns the SQL that creates the version table, or "" if it exists.
func (db *DB) createVersionTableSQL() string {
	if db.versionTableExists {
		return ""
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL);\n", db.table.quoted())
}
