package lock

import (
	"context"
	"log/slog"
	"time"

	"github.com/shiplock/shiplock/internal/history"
)

// A Locker holds the migration lock of a database, schema and table. It has two implementations,
// which Acquire chooses between: sessionLock, and transactionLock behind a connection pooler in
// transaction mode.
type Locker interface {
	// Unlock releases the lock.
	Unlock(ctx context.Context) error
	// Begin prepares the transaction of a migration, which must hold the lock and find the version
	// from. It returns the SQL that the caller sends first. Errors are ErrVersionChanged and
	// *LockedError.
	Begin(ctx context.Context, begin string, from history.State) (sql string, err error)
	// Release releases the lock until the next Begin if it belongs to a transaction. A lock of the
	// session is kept.
	Release(ctx context.Context) error
	// Reacquire reverts Release: what is read until the next Begin, Release or Unlock stays valid.
	Reacquire(ctx context.Context) error
	// ReleaseForeignSQL returns the SQL that releases the advisory locks of the session except the
	// migration lock. It fails with a division by zero if the migration has released the migration
	// lock and another session holds it.
	ReleaseForeignSQL() string
}

// Options are the settings of Acquire.
type Options struct {
	// Wait is the maximum time to wait for another migrator; 0 means one attempt.
	Wait time.Duration
	// Unneeded is called each time another session holds the lock; if it reports true, Acquire
	// returns ErrNotNeeded. Otherwise fifty waiting migrators would take the lock one after the
	// other to find nothing to do. nil means that the lock is needed.
	Unneeded func(context.Context) (bool, error)
	Log      *slog.Logger
}
