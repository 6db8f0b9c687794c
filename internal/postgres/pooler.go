package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4/database"
)

// PgBouncer and other connection poolers in transaction mode assign a server session to a client
// for one transaction. Session state (an advisory lock, a SET, a statement between two transactions
// that refuses a transaction) is then lost, or applies to another client. Therefore each
// transaction takes the lock, and checks that the version is still the planned one.

// ErrVersionChanged means that another migrator changed the version after the plan. Nothing was
// applied; the caller plans again.
var ErrVersionChanged = errors.New("another migrator changed the schema version")

// ErrStatementPooling means that the pooler assigns a server session for one statement only.
var ErrStatementPooling = errors.New("the connection pooler is in statement mode, which does not allow transactions; use session or transaction mode")

// Pooled reports, once the lock is held, whether the session is behind a pooler in transaction
// mode.
func (db *DB) Pooled() bool { return db.pooled }

// beginWithLock opens a transaction that holds the lock, behind a pooler. The version must be from,
// unless from is nil. Errors are ErrVersionChanged and *LockedError.
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

// detectStatementPooling returns ErrStatementPooling if a pooler in statement mode closed the
// connection because it began a transaction, and else err.
func (db *DB) detectStatementPooling(ctx context.Context, err error) error {
	var lost *LostError
	if !errors.As(err, &lost) || ctx.Err() != nil {
		return err
	}
	probe := db.withSecondSession(ctx, func(second *DB) error {
		if second.exec(ctx, "BEGIN") != nil {
			return ErrStatementPooling
		}
		return nil
	})
	if errors.Is(probe, ErrStatementPooling) {
		return ErrStatementPooling
	}
	return err
}

// tryBeginWithLock opens a transaction, tries to take the lock and reads the version, in one round
// trip.
func (db *DB) tryBeginWithLock(ctx context.Context, begin string, key int64) (got bool, now State, err error) {
	query := begin + "DISCARD TEMP;\n" // another client's temporary table would hide a table of the schema
	if db.Server.versionNum >= 140000 {
		query += "SET LOCAL client_connection_check_interval = 3000;\n"
	}
	for _, name := range db.idleTimeouts() {
		if name != idleSessionTimeout { // it has no effect in a transaction, and the session belongs to the pooler
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

// ReacquireTxLock takes the lock again after ErrVersionChanged, until ReleaseTxLock or Unlock, so
// that the state read meanwhile stays valid.
func (db *DB) ReacquireTxLock(ctx context.Context) error {
	if !db.pooled || db.lockTxOpen {
		return nil
	}
	if err := db.beginWithLock(ctx, "BEGIN;\n", nil); err != nil {
		return err
	}
	if err := db.readServerInfo(ctx); err != nil || db.opts.SkipTableCheck { // the tables may have changed
		return err
	}
	return db.CheckTables()
}

// migrationStarted reports whether a migration with this error was started.
func migrationStarted(err error) bool {
	var locked *LockedError
	return !errors.Is(err, ErrVersionChanged) && !errors.As(err, &locked)
}

// ReleaseTxLock commits the transaction that Lock opened behind a pooler, which releases the lock;
// each migration's transaction takes it again. Without a pooler it does nothing: the session keeps
// its lock.
func (db *DB) ReleaseTxLock(ctx context.Context) error {
	if !db.lockTxOpen {
		return nil
	}
	db.lockTxOpen = false
	return db.execDirect(ctx, "COMMIT")
}
