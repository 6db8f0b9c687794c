package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/golang-migrate/migrate/v4/database"

	"github.com/shiplock/shiplock/internal/progress"
)

// LockedError says that another migrator held the lock for the whole LockWait.
type LockedError struct {
	Waited time.Duration
	Holder string // who it was, as far as the server says; empty if it went in between
}

func (e *LockedError) Error() string {
	s := fmt.Sprintf("another migrator held the lock for %s", roundDuration(e.Waited))
	if e.Holder != "" {
		s += ": " + e.Holder
	}
	return s
}

// Lock takes the advisory lock that golang-migrate's CLI takes for this database,
// schema and table, so that the two exclude each other. It asks again and again
// and never waits inside the server: a waiting pg_advisory_lock holds a snapshot,
// on which the holder's CREATE INDEX CONCURRENTLY would wait in turn
// (golang-migrate/migrate#960). A session that has it may lock again.
//
// Behind a pooler in transaction mode a session's lock would stay with a server
// that the next transaction may not reach. The lock is then taken inside of a
// transaction, which stays open until ReleaseTxLock or Unlock; see pooler.go.
func (db *DB) Lock(ctx context.Context) error {
	if db.lockDepth > 0 {
		db.lockDepth++
		return nil
	}
	var err error
	if db.pooled, err = db.detectTransactionPooling(ctx); err != nil {
		return err
	}
	if err = db.persistRole(ctx); err != nil {
		return err
	}
	db.lockDepth = 1
	if db.pooled {
		db.log.Info("a pooler in transaction mode is in between: the lock is taken anew in each transaction")
		return db.detectStatementPooling(ctx, db.ReacquireTxLock(ctx))
	}
	if err = db.pollLock(ctx, db.tryLock); err != nil {
		db.lockDepth = 0
		return err
	}
	// Who holds the lock must not outlive its client; and what we saw before we had it may be old.
	if err = errors.Join(db.exec(ctx, db.keepaliveSQL()), db.readServerInfo(ctx)); err != nil || db.opts.SkipTableCheck {
		return err
	}
	return db.CheckTables()
}

// ErrLockNotNeeded says that the lock is not had, and not needed any more.
var ErrLockNotNeeded = errors.New("another migrator has done what the lock was for")

// LockUnless is Lock for as long as there is something to lock for: each time that
// somebody else has the lock it asks done, and ends with ErrLockNotNeeded when that says
// so. Fifty that have waited for one need not take the lock in turn to see that.
func (db *DB) LockUnless(ctx context.Context, done func(context.Context) (bool, error)) error {
	db.lockNotNeeded = done
	defer func() { db.lockNotNeeded = nil }()
	err := db.Lock(ctx)
	if errors.Is(err, ErrLockNotNeeded) {
		db.lockDepth = 0
	}
	return err
}

func (db *DB) tryLock(ctx context.Context, key int64) (got bool, err error) {
	// Until the lock is had the session waits, and no limit on idle sessions is to end it.
	rows, err := db.query(ctx, db.disableIdleTimeoutsSQL()+fmt.Sprintf("SELECT pg_catalog.pg_try_advisory_lock(%d)", key))
	if err != nil {
		return false, db.classifyError(ctx, err)
	}
	if rows.Next() {
		err = rows.Scan(&got)
	}
	return got, db.classifyError(ctx, errors.Join(err, rows.Err(), rows.Close()))
}

// maxLockPause is the longest pause between two attempts: when the work is done, the
// last of fifty who wait should be, too, within a second.
const maxLockPause = 700 * time.Millisecond

// pollLock tries to get the lock for as long as LockWait.
func (db *DB) pollLock(ctx context.Context, try func(context.Context, int64) (bool, error)) error {
	key, err := db.lockKey()
	if err != nil {
		return err
	}
	start := time.Now()
	var wait *progress.Activity // once there is something to wait for
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
				db.log.Info("got the lock", "waited", roundDuration(waited))
			}
			return nil
		}
		if db.lockNotNeeded != nil {
			if unneeded, err := db.lockNotNeeded(ctx); err != nil || unneeded {
				return cmp.Or(err, ErrLockNotNeeded)
			}
		}
		pause := backoff(minPause, maxLockPause, attempt)
		if waited+pause > db.opts.LockWait {
			holder, err := db.describeLockHolder(ctx, key)
			return errors.Join(&LockedError{Waited: waited, Holder: holder}, err)
		}
		if wait == nil {
			wait = db.opts.Progress.StartWait()
		}
		if wait.Due() {
			facts, err := db.lockHolderFacts(ctx, key)
			if err != nil {
				return err
			}
			facts = append([]progress.Fact{{Bar: "waiting for another migrator"}}, facts...)
			wait.Show(progress.Status{Message: "waiting for another migrator", TimeName: "waited", Facts: append(facts, WaitLimit(db.opts.LockWait-waited))})
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// ErrLockLost says that a migration has given the lock away.
var ErrLockLost = errors.New("the migration released our advisory lock (pg_advisory_unlock_all or DISCARD ALL), and another migrator has taken it")

// Unlock undoes one Lock.
func (db *DB) Unlock(ctx context.Context) error {
	if db.lockDepth == 0 {
		return database.ErrNotLocked
	}
	if db.lockDepth--; db.lockDepth > 0 {
		return nil
	}
	if db.pooled {
		return db.ReleaseTxLock(ctx)
	}
	return db.exec(ctx, `SELECT pg_catalog.pg_advisory_unlock_all()`)
}

// lockKey is the key of golang-migrate's CLI. It is started with a URL, and its
// driver then hashes the URL's path: "/mydb", with the slash. Foreign tools run
// under a key of their own; see ADR 7.
func (db *DB) lockKey() (int64, error) {
	names := []string{db.table.schema, db.table.name}
	if db.opts.ExternalToolLock {
		names = append(names, "exec")
	}
	id, err := database.GenerateAdvisoryLockId("/"+db.Server.Database, names...)
	if err != nil {
		return 0, fmt.Errorf("advisory lock: %w", err)
	}
	return strconv.ParseInt(id, 10, 64)
}

// describeLockHolder describes the session that has the lock. A role may not see another
// role's query; what it may not see is left out.
func (db *DB) describeLockHolder(ctx context.Context, key int64) (string, error) {
	s, err := db.lockHolder(ctx, key)
	if s == nil {
		return "", err
	}
	return s.String(), err
}

// lockHolder is the session that has the lock; nil where it has gone.
func (db *DB) lockHolder(ctx context.Context, key int64) (*sessionInfo, error) {
	var s sessionInfo
	err := db.queryRow(ctx, `
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
		return nil, db.classifyError(ctx, err)
	}
	return &s, nil
}
