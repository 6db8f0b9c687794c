package lock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
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

// ErrNotNeeded means that the lock was not taken because it is no longer needed.
var ErrNotNeeded = errors.New("another migrator has applied the migrations, so the lock is not needed")

// ErrLost means that a migration released the lock.
var ErrLost = errors.New("the migration released Shiplock's advisory lock (pg_advisory_unlock_all or DISCARD ALL), and another migrator took it")

// A LockedError means that another migrator held the lock during all of Options.LockWait.
type LockedError struct {
	Waited time.Duration
	Holder *activity.SessionInfo // session that holds the lock; nil if it ended meanwhile
}

func (e *LockedError) Error() string {
	s := fmt.Sprintf("another migrator held the lock for %s", postgres.RoundDuration(e.Waited))
	if e.Holder != nil {
		s += ": " + e.Holder.String()
	}
	return s
}

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

// A waiter waits for the lock.
type waiter struct {
	session *postgres.Session
	store   *history.Store
	opts    Options
}

// maxLockPause is the maximum pause between two attempts: when the migrations are applied, the last
// of fifty waiting migrators should finish within a second.
const maxLockPause = 700 * time.Millisecond

// poll tries to take the lock for Options.Wait.
func (w waiter) poll(ctx context.Context, try func(context.Context, int64) (bool, error)) error {
	key := Key(w.store)
	start := time.Now()
	var wait *progress.Activity // set when another session holds the lock
	defer func() {
		if wait != nil {
			wait.End()
		}
	}()
	for attempt := 1; ; attempt++ {
		got, err := try(ctx, key)
		if err != nil {
			return err
		}
		waited := time.Since(start)
		if got {
			if attempt > 1 {
				w.opts.Log.Info("lock acquired", "waited", postgres.RoundDuration(waited))
			}
			return nil
		}
		if w.opts.Unneeded != nil {
			if unneeded, err := w.opts.Unneeded(ctx); err != nil || unneeded {
				return cmp.Or(err, ErrNotNeeded)
			}
		}
		pause := postgres.Backoff(postgres.MinPause, maxLockPause, attempt)
		if waited+pause > w.opts.Wait {
			holder, err := Holder(ctx, w.session, key)
			return errors.Join(&LockedError{Waited: waited, Holder: holder}, err)
		}
		if wait == nil {
			wait = w.session.Opts.Progress.StartWait()
		}
		if wait.Due() {
			facts, err := HolderFacts(ctx, w.store)
			if err != nil {
				return err
			}
			facts = append([]progress.Fact{{Bar: "waiting for another migrator"}}, facts...)
			wait.Show(progress.Status{Message: "waiting for another migrator", TimeName: "waited", Facts: append(facts, WaitLimit(w.opts.Wait-waited))})
		}
		if err := postgres.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// Key returns the key of golang-migrate's CLI, whose driver hashes the path of the database URL:
// "/mydb", with the slash (database.GenerateAdvisoryLockId; package golangmigrate tests that both
// agree). External tools have a separate key; see ADR 7.
func Key(store *history.Store) int64 {
	names := []string{store.Table.Schema, store.Table.Name}
	if store.Opts.ExternalTool {
		names = append(names, "exec")
	}
	names = append(names, "/"+store.Session().Server.Database)
	const salt = 1486364155
	return int64(crc32.ChecksumIEEE([]byte(strings.Join(names, "\x00"))) * salt)
}

// MigrationStarted reports whether a migration with this error was started.
func MigrationStarted(err error) bool {
	var locked *LockedError
	return !errors.Is(err, ErrVersionChanged) && !errors.As(err, &locked)
}
