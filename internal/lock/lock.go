package lock

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/golang-migrate/migrate/v4/database"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
)

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

// Lock takes the advisory lock that golang-migrate's CLI takes for this database, schema and
// table, so that the two exclude each other. It polls and never waits in the server: a waiting
// pg_advisory_lock holds a snapshot, and the holder's CREATE INDEX CONCURRENTLY would wait for that
// snapshot (golang-migrate/migrate#960). A session that holds the lock may lock again.
//
// Behind a connection pooler in transaction mode, a session lock would stay with a server
// connection that the next transaction may not get. The lock is then taken in a transaction, which
// stays open until ReleaseTxLock or Unlock; see pooler.go.
func (lock *Lock) Lock(ctx context.Context) error {
	if lock.LockDepth > 0 {
		lock.LockDepth++
		return nil
	}
	var err error
	if lock.session.Shared, err = lock.session.DetectTransactionPooling(ctx); err != nil {
		return err
	}
	if err = lock.session.PersistRole(ctx); err != nil {
		return err
	}
	lock.LockDepth = 1
	if lock.session.Shared {
		lock.log.Info("transaction-mode pooler detected; locking per transaction")
		return lock.detectStatementPooling(ctx, lock.ReacquireTxLock(ctx))
	}
	if err = lock.pollLock(ctx, lock.tryLock); err != nil {
		lock.LockDepth = 0
		return err
	}
	// The backend that holds the lock must end with its client, and another migrator may have
	// changed the tables before this session got the lock.
	if err = errors.Join(lock.session.Exec(ctx, lock.session.KeepaliveSQL()), lock.session.ReadServerInfo(ctx)); err != nil || lock.store.Opts.SkipTableCheck {
		return err
	}
	return lock.store.CheckTables()
}

// ErrLockNotNeeded means that the lock was not taken because it is no longer needed.
var ErrLockNotNeeded = errors.New("another migrator has applied the migrations, so the lock is not needed")

// LockUnless is Lock, except that each time another session holds the lock it calls done, and
// returns ErrLockNotNeeded if done reports true. Otherwise fifty waiting migrators would take the
// lock one after the other to find nothing to do.
func (lock *Lock) LockUnless(ctx context.Context, done func(context.Context) (bool, error)) error {
	lock.lockNotNeeded = done
	defer func() { lock.lockNotNeeded = nil }()
	err := lock.Lock(ctx)
	if errors.Is(err, ErrLockNotNeeded) {
		lock.LockDepth = 0
	}
	return err
}

func (lock *Lock) tryLock(ctx context.Context, key int64) (got bool, err error) {
	// A timeout for idle sessions must not end the session while it waits for the lock.
	rows, err := lock.session.Query(ctx, lock.session.DisableIdleTimeoutsSQL()+fmt.Sprintf("SELECT pg_catalog.pg_try_advisory_lock(%d)", key))
	if err != nil {
		return false, lock.session.ClassifyError(ctx, err)
	}
	if rows.Next() {
		err = rows.Scan(&got)
	}
	return got, lock.session.ClassifyError(ctx, errors.Join(err, rows.Err(), rows.Close()))
}

// maxLockPause is the maximum pause between two attempts: when the migrations are applied, the last
// of fifty waiting migrators should finish within a second.
const maxLockPause = 700 * time.Millisecond

// pollLock tries to take the lock for Options.LockWait.
func (lock *Lock) pollLock(ctx context.Context, try func(context.Context, int64) (bool, error)) error {
	key, err := lock.LockKey()
	if err != nil {
		return err
	}
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
				lock.log.Info("lock acquired", "waited", postgres.RoundDuration(waited))
			}
			return nil
		}
		if lock.lockNotNeeded != nil {
			if unneeded, err := lock.lockNotNeeded(ctx); err != nil || unneeded {
				return cmp.Or(err, ErrLockNotNeeded)
			}
		}
		pause := postgres.Backoff(postgres.MinPause, maxLockPause, attempt)
		if waited+pause > lock.Opts.LockWait {
			holder, err := lock.LockHolder(ctx, key)
			return errors.Join(&LockedError{Waited: waited, Holder: holder}, err)
		}
		if wait == nil {
			wait = lock.session.Opts.Progress.StartWait()
		}
		if wait.Due() {
			facts, err := lock.lockHolderFacts(ctx, key)
			if err != nil {
				return err
			}
			facts = append([]progress.Fact{{Bar: "waiting for another migrator"}}, facts...)
			wait.Show(progress.Status{Message: "waiting for another migrator", TimeName: "waited", Facts: append(facts, WaitLimit(lock.Opts.LockWait-waited))})
		}
		if err := postgres.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// ErrLockLost means that a migration released the lock.
var ErrLockLost = errors.New("the migration released Shiplock's advisory lock (pg_advisory_unlock_all or DISCARD ALL), and another migrator took it")

// Unlock reverts one call of Lock, and releases the lock after the last.
func (lock *Lock) Unlock(ctx context.Context) error {
	if lock.LockDepth == 0 {
		return database.ErrNotLocked
	}
	if lock.LockDepth--; lock.LockDepth > 0 {
		return nil
	}
	if lock.session.Shared {
		return lock.ReleaseTxLock(ctx)
	}
	return lock.session.Exec(ctx, `SELECT pg_catalog.pg_advisory_unlock_all()`)
}

// lockKey returns the key of golang-migrate's CLI, whose driver hashes the path of the database
// URL: "/mydb", with the slash. External tools have a separate key; see ADR 7.
func (lock *Lock) LockKey() (int64, error) {
	names := []string{lock.store.Table.Schema, lock.store.Table.Name}
	if lock.store.Opts.ExternalToolLock {
		names = append(names, "exec")
	}
	id, err := database.GenerateAdvisoryLockId("/"+lock.session.Server.Database, names...)
	if err != nil {
		return 0, fmt.Errorf("advisory lock: %w", err)
	}
	return strconv.ParseInt(id, 10, 64)
}

// lockHolder returns the session that holds the lock; nil if it ended. Fields that the role has no
// privilege to see are empty.
func (lock *Lock) LockHolder(ctx context.Context, key int64) (*activity.SessionInfo, error) {
	var s activity.SessionInfo
	err := lock.session.QueryRow(ctx, `
		SELECT l.pid, coalesce(a.application_name, ''), coalesce(a.state, ''),
			coalesce(extract(epoch FROM clock_timestamp() - a.backend_start), 0)::bigint, coalesce(left(a.query, 120), '')
		FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
			AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
			AND l.classid::bigint << 32 | l.objid::bigint = $1`, key).Scan(&s.PID, &s.Application, &s.State, &s.Seconds, &s.Query)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, lock.session.ClassifyError(ctx, err)
	}
	return &s, nil
}
