package history

import (
	"context"
	"errors"

	"github.com/shiplock/shiplock/internal/postgres"
)

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

// SameTables returns the options for another session on the same schema. A migration may
// create a schema that precedes it in the search_path.
func (store *Store) SameTables(o Options) Options {
	o.resolvedTable = store.Table
	return o
}
