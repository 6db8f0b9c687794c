package lock

import (
	"context"

	"github.com/shiplock/shiplock/internal/history"
)

// Acquire takes the advisory lock that golang-migrate's CLI takes for this database, schema and
// table, so that the two exclude each other. It polls and never waits in the server: a waiting
// pg_advisory_lock holds a snapshot, and the holder's CREATE INDEX CONCURRENTLY would wait for that
// snapshot (golang-migrate/migrate#960). Errors are ErrNotNeeded, *LockedError, ErrStatementPooling
// and those of the session.
func Acquire(ctx context.Context, store *history.Store, opts Options) (Locker, error) {
	session := store.Session()
	if opts.Log == nil {
		opts.Log = session.Log
	}
	var err error
	if session.Shared, err = session.DetectTransactionPooling(ctx); err != nil {
		return nil, err
	}
	if err = session.PersistRole(ctx); err != nil {
		return nil, err
	}
	w := waiter{session: session, store: store, opts: opts}
	if session.Shared {
		return acquireTransactionLock(ctx, w)
	}
	return acquireSessionLock(ctx, w)
}
