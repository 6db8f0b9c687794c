package history

import (
	"context"
	"errors"
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

// Open waits for the database, opens a session, and reads the server's properties and the tables in
// one query. Errors are those of postgres.Open, *TableError and ErrNoSchema.
func Open(ctx context.Context, session postgres.Options, opts Options) (*Store, error) {
	store := &Store{Opts: opts}
	session.Inspection = store
	var err error
	if store.session, err = postgres.Open(ctx, session); err != nil {
		return nil, err
	}
	store.log = store.session.Log
	if !opts.SkipTableCheck || store.Table.Schema == "" {
		if err := store.CheckTables(); err != nil {
			return nil, errors.Join(err, store.Close())
		}
	}
	store.tableResolved = true
	return store, nil
}

// Session returns the session that reads and writes the tables.
func (store *Store) Session() *postgres.Session { return store.session }

// SchemaMissing reports whether the schema of the tables did not exist when they were last read.
func (store *Store) SchemaMissing() bool { return store.tables.NoSchema }

// Close ends the session.
func (store *Store) Close() error { return store.session.Close() }

// Refresh reads the server's properties and the tables again: another migrator may have changed
// them before this session got the lock.
func (store *Store) Refresh(ctx context.Context) error {
	if err := store.session.ReadServerInfo(ctx); err != nil || store.Opts.SkipTableCheck {
		return err
	}
	return store.CheckTables()
}

// OpenSecond opens a second session with the same tables.
func (store *Store) OpenSecond(ctx context.Context) (*Store, error) {
	opts := store.SameTables(store.Opts)
	opts.SkipTableCheck = true
	return Open(ctx, store.session.SecondSessionOptions(ctx), opts)
}
