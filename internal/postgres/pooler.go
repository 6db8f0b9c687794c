package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4/database"
)

// PgBouncer in transaction mode, and its kin, lend a server's session for one
// transaction: what belongs to a session (an advisory lock, a SET, a statement
// that refuses a transaction between two others) is then lost, or worse, found by
// somebody else. So each transaction takes the lock for itself and looks whether
// the version is still the one that was planned from.

// ErrVersionChanged says that the version is no longer the one that was planned from:
// another migrator has been at work since. Nothing was done; plan again.
var ErrVersionChanged = errors.New("another migrator has moved the version")

// ErrStatementPooling says that the pooler lends a server for one statement only.
var ErrStatementPooling = errors.New("the pooler ends a connection that begins a transaction: it is in statement mode, in which nothing can be migrated")

// Pooled says, once the lock is held, that a pooler in transaction mode is in between.
func (db *DB) Pooled() bool { return db.pooled }

// beginWithLock opens a transaction that holds the lock, where a pooler calls for it; from
// is what the version must be then, or nil. Errors are ErrVersionChanged and *LockedError.
func (db *DB) beginWithLock(ctx context.Context, begin string, from *State) error {
	if err := db.ReleaseTxLock(ctx); err != nil {
		return err
	}
	now := State{Version: database.NilVersion}
	err := db.pollLock(ctx, func(ctx context.Context, key int64) (got bool, err error) {
		got, now, err = db.tryBeginWithLock(ctx, begin, key)
		if err == nil && !got {
			err = db.execDirect(ctx, "ROLLBACK")
		}
		return got, err
	})
	if err != nil {
		return err
	}
	db.lockTxOpen = true
	if from == nil {
		return nil
	}
	if !db.versionTableExists {
		now, err = db.State(ctx)
	}
	if err == nil && now != *from {
		err = ErrVersionChanged
	}
	return err
}

// detectStatementPooling tells a pooler in statement mode, which ends a connection that
// begins a transaction, from a connection that broke.
func (db *DB) detectStatementPooling(ctx context.Context, err error) error {
	var lost *LostError
	if !errors.As(err, &lost) || ctx.Err() != nil {
		return err
	}
	again := db.withSecondSession(ctx, func(fresh *DB) error {
		if fresh.exec(ctx, "BEGIN") != nil {
			return ErrStatementPooling
		}
		return nil
	})
	if errors.Is(again, ErrStatementPooling) {
		return ErrStatementPooling
	}
	return err
}

// tryBeginWithLock opens a transaction, tries to get the lock and reads the version, in one round trip.
func (db *DB) tryBeginWithLock(ctx context.Context, begin string, key int64) (got bool, now State, err error) {
	query := begin + "DISCARD TEMP;\n" // a table that another client has left would hide one of the schema
	if db.Server.versionNum >= 140000 {
		query += "SET LOCAL client_connection_check_interval = 3000;\n"
	}
	for _, name := range db.idleTimeouts() {
		if name != idleSessionTimeout { // it does not count in a transaction, and the session is the pooler's
			query += "SET LOCAL " + name + " = 0;\n"
		}
	}
	query += fmt.Sprintf("SELECT pg_catalog.pg_try_advisory_xact_lock(%d), pg_catalog.pg_backend_pid(), "+epochMicroseconds("pg_catalog.statement_timestamp()")+";\n", key)
	if db.versionTableExists {
		query += "SELECT version, dirty FROM " + db.table.quoted() + " LIMIT 2"
	}
	now.Version = database.NilVersion
	rows, err := db.query(ctx, query)
	if err != nil {
		return false, now, db.classifyError(ctx, err)
	}
	for rows.Next() && err == nil {
		err = rows.Scan(&got, &db.Server.PID, &db.lockTxStarted)
	}
	db.backendPID.Store(int64(db.Server.PID))
	if err == nil && rows.NextResultSet() {
		now, err = scanVersion(rows, db.table)
	}
	return got, now, db.classifyError(ctx, errors.Join(err, rows.Err(), rows.Close()))
}

// ReacquireTxLock takes the lock again after ErrVersionChanged, until ReleaseTxLock or Unlock, so that what
// is read then stays true.
func (db *DB) ReacquireTxLock(ctx context.Context) error {
	if !db.pooled || db.lockTxOpen {
		return nil
	}
	if err := db.beginWithLock(ctx, "BEGIN;\n", nil); err != nil {
		return err
	}
	if err := db.readServerInfo(ctx); err != nil || db.opts.SkipTableCheck { // what we saw before may be old
		return err
	}
	return db.CheckTables()
}

// migrationStarted says whether a migration that ended so was begun.
func migrationStarted(err error) bool {
	var locked *LockedError
	return !errors.Is(err, ErrVersionChanged) && !errors.As(err, &locked)
}

// ReleaseTxLock commits the transaction that Lock has opened behind a pooler, and with it
// gives the lock back; each migration's transaction takes it again. Elsewhere it
// does nothing: a session keeps its lock.
func (db *DB) ReleaseTxLock(ctx context.Context) error {
	if !db.lockTxOpen {
		return nil
	}
	db.lockTxOpen = false
	return db.execDirect(ctx, "COMMIT")
}
