package history

import (
	"log/slog"

	"github.com/shiplock/shiplock/internal/postgres"
)

// Options are the settings of a Store.
type Options struct {
	// Table is the version table's name, or "schema.table" (see versiontable.Parse). The default
	// schema is the first one of the search path, as with golang-migrate.
	Table string
	// SkipTableCheck skips CheckTables, for sessions that only read.
	SkipTableCheck bool
	// ExternalTool selects the history of external tools instead of that of migrations.
	ExternalTool bool
	Identity     Identity
	// resolvedTable is the version table of the store whose tables this one uses; see SameTables.
	resolvedTable TableName
}

// A Store is the version table and the history table of a session's database. It is not safe for
// concurrent use.
type Store struct {
	Opts Options
	// Table is the version table.
	Table TableName
	// VersionTableExists and HistoryExists report whether the tables exist.
	VersionTableExists, HistoryExists bool
	// HistoryUnavailable is set if there is no history table and no privilege to create it.
	HistoryUnavailable bool

	session *postgres.Session
	log     *slog.Logger
	// tableResolved is set once the table's schema is known; a later search_path does not change
	// it.
	tableResolved bool
	tables        tableFacts
}

// Session returns the session that reads and writes the tables.
func (store *Store) Session() *postgres.Session { return store.session }

// SchemaMissing reports whether the schema of the tables did not exist when they were last read.
func (store *Store) SchemaMissing() bool { return store.tables.NoSchema }

// Close ends the session.
func (store *Store) Close() error { return store.session.Close() }

// Identity identifies the Helm release and the pod that run migrations, where they are known.
type Identity struct{ Release, Revision, Namespace, Pod string }
