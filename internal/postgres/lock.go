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

// A LockedError means that another migrator held the lock during all of Options.LockWait.
type LockedError struct {
	Waited time.Duration
	Holder *SessionInfo // session that holds the lock; nil if it ended meanwhile
}

func (e *LockedError) Error() string {
	s := fmt.Sprintf("another migrator held the lock for %s", roundDuration(e.Waited))
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
		db.log.Info("transaction-mode pooler detected; locking per transaction")
		return db.detectStatementPooling(ctx, db.ReacquireTxLock(ctx))
	}
	if err = db.pollLock(ctx, db.tryLock); err != nil {
		db.lockDepth = 0
		return err
	}
	// The backend that holds the lock must end with its client, and another migrator may have
	// changed the tables before this session got the lock.
	if err = errors.Join(db.exec(ctx, db.keepaliveSQL()), db.readServerInfo(ctx)); err != nil || db.opts.SkipTableCheck {
		return err
	}
	return db.CheckTables()
}

// ErrLockNotNeeded means that the lock was not taken because it is no longer needed.
var ErrLockNotNeeded = errors.New("another migrator has applied the migrations, so the lock is not needed")

// LockUnless is Lock, except that each time another session holds the lock it calls done, and
// returns ErrLockNotNeeded if done reports true. Otherwise fifty waiting migrators would take the
// lock one after the other to find nothing to do.
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
	// A timeout for idle sessions must not end the session while it waits for the lock.
	rows, err := db.query(ctx, db.disableIdleTimeoutsSQL()+fmt.Sprintf("SELECT pg_catalog.pg_try_advisory_lock(%d)", key))
	if err != nil {
		return false, db.classifyError(ctx, err)
	}
	if rows.Next() {
		err = rows.Scan(&got)
	}
	return got, db.classifyError(ctx, errors.Join(err, rows.Err(), rows.Close()))
}

// maxLockPause is the maximum pause between two attempts: when the migrations are applied, the last
// of fifty waiting migrators should finish within a second.
const maxLockPause = 700 * time.Millisecond

// pollLock tries to take the lock for Options.LockWait.
func (db *DB) pollLock(ctx context.Context, try func(context.Context, int64) (bool, error)) error {
	key, err := db.lockKey()
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
				db.log.Info("lock acquired", "waited", roundDuration(waited))
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
			holder, err := db.lockHolder(ctx, key)
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

// ErrLockLost means that a migration released the lock.
var ErrLockLost = errors.New("the migration released Shiplock's advisory lock (pg_advisory_unlock_all or DISCARD ALL), and another migrator took it")

// Unlock reverts one call of Lock, and releases the lock after the last.
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

// lockKey returns the key of golang-migrate's CLI, whose driver hashes the path of the database
// URL: "/mydb", with the slash. External tools have a separate key; see ADR 7.
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

// lockHolder returns the session that holds the lock; nil if it ended. Fields that the role has no
// privilege to see are empty.
func (db *DB) lockHolder(ctx context.Context, key int64) (*SessionInfo, error) {
	var s SessionInfo
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
