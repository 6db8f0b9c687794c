package lock

import (
	"context"
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4/database"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
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
func (lock *Lock) Pooled() bool { return lock.session.Shared }

// beginWithLock opens a transaction that holds the lock, behind a pooler. The version must be from,
// unless from is nil. Errors are ErrVersionChanged and *LockedError.
func (lock *Lock) BeginWithLock(ctx context.Context, begin string, from *history.State) error {
	if err := lock.ReleaseTxLock(ctx); err != nil {
		return err
	}
	now := history.State{Version: database.NilVersion}
	err := lock.pollLock(ctx, func(ctx context.Context, key int64) (got bool, err error) {
		got, now, err = lock.tryBeginWithLock(ctx, begin, key)
		if err == nil && !got {
			err = lock.session.ExecDirect(ctx, "ROLLBACK")
		}
		return got, err
	})
	if err != nil {
		return err
	}
	lock.session.TxOpen = true
	if from == nil {
		return nil
	}
	if !lock.store.VersionTableExists {
		now, err = lock.store.State(ctx)
	}
	if err == nil && now != *from {
		err = ErrVersionChanged
	}
	return err
}

// detectStatementPooling returns ErrStatementPooling if a pooler in statement mode closed the
// connection because it began a transaction, and else err.
func (lock *Lock) detectStatementPooling(ctx context.Context, err error) error {
	var lost *postgres.LostError
	if !errors.As(err, &lost) || ctx.Err() != nil {
		return err
	}
	probe := lock.session.WithSecondSession(ctx, func(second *Lock) error {
		if second.session.Exec(ctx, "BEGIN") != nil {
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
func (lock *Lock) tryBeginWithLock(ctx context.Context, begin string, key int64) (got bool, now history.State, err error) {
	query := begin + "DISCARD TEMP;\n" // another client's temporary table would hide a table of the schema
	if lock.session.Server.VersionNum >= 140000 {
		query += "SET LOCAL client_connection_check_interval = 3000;\n"
	}
	for _, name := range lock.session.IdleTimeouts() {
		if name != postgres.IdleSessionTimeout { // it has no effect in a transaction, and the session belongs to the pooler
			query += "SET LOCAL " + name + " = 0;\n"
		}
	}
	query += fmt.Sprintf("SELECT pg_catalog.pg_try_advisory_xact_lock(%d), pg_catalog.pg_backend_pid(), "+postgres.EpochMicroseconds("pg_catalog.statement_timestamp()")+";\n", key)
	if lock.store.VersionTableExists {
		query += "SELECT version, dirty FROM " + lock.store.Table.Quoted() + " LIMIT 2"
	}
	now.Version = database.NilVersion
	rows, err := lock.session.Query(ctx, query)
	if err != nil {
		return false, now, lock.session.ClassifyError(ctx, err)
	}
	for rows.Next() && err == nil {
		err = rows.Scan(&got, &lock.session.Server.PID, &lock.session.TxStarted)
	}
	lock.session.BackendPID.Store(int64(lock.session.Server.PID))
	if err == nil && rows.NextResultSet() {
		now, err = history.ScanVersion(rows, lock.store.Table)
	}
	return got, now, lock.session.ClassifyError(ctx, errors.Join(err, rows.Err(), rows.Close()))
}

// ReacquireTxLock takes the lock again after ErrVersionChanged, until ReleaseTxLock or Unlock, so
// that the state read meanwhile stays valid.
func (lock *Lock) ReacquireTxLock(ctx context.Context) error {
	if !lock.session.Shared || lock.session.TxOpen {
		return nil
	}
	if err := lock.BeginWithLock(ctx, "BEGIN;\n", nil); err != nil {
		return err
	}
	if err := lock.session.ReadServerInfo(ctx); err != nil || lock.store.Opts.SkipTableCheck { // the tables may have changed
		return err
	}
	return lock.store.CheckTables()
}

// migrationStarted reports whether a migration with this error was started.
func MigrationStarted(err error) bool {
	var locked *LockedError
	return !errors.Is(err, ErrVersionChanged) && !errors.As(err, &locked)
}

// ReleaseTxLock commits the transaction that Lock opened behind a pooler, which releases the lock;
// each migration's transaction takes it again. Without a pooler it does nothing: the session keeps
// its lock.
func (lock *Lock) ReleaseTxLock(ctx context.Context) error {
	if !lock.session.TxOpen {
		return nil
	}
	lock.session.TxOpen = false
	return lock.session.ExecDirect(ctx, "COMMIT")
}
