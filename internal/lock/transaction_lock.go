package lock

import (
	"context"
	"errors"
	"fmt"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
)

// PgBouncer and other connection poolers in transaction mode assign a server session to a client
// for one transaction. Session state (an advisory lock, a SET, a statement between two transactions
// that refuses a transaction) is then lost, or applies to another client. Therefore each
// transaction takes the lock, and checks that the version is still the planned one.

// A transactionLock is an advisory lock of each transaction. Behind a connection pooler in
// transaction mode, a session lock would stay with a server connection that the next transaction may
// not get.
type transactionLock struct{ waiter }

func acquireTransactionLock(ctx context.Context, w waiter) (Locker, error) {
	w.opts.Log.Info("transaction-mode pooler detected; locking per transaction")
	l := &transactionLock{w}
	if err := l.detectStatementPooling(ctx, l.Reacquire(ctx)); err != nil {
		return nil, err
	}
	l.opts.Unneeded = nil
	return l, nil
}

// Begin opens the transaction, takes the lock in it and compares the version. The SQL that remains
// to be sent is empty.
func (l *transactionLock) Begin(ctx context.Context, begin string, from history.State) (string, error) {
	now, err := l.begin(ctx, begin)
	if err == nil && !l.store.VersionTableExists {
		now, err = l.store.State(ctx)
	}
	if err == nil && now != from {
		err = ErrVersionChanged
	}
	return "", err
}

// begin opens a transaction that holds the lock, and reads the version.
func (l *transactionLock) begin(ctx context.Context, begin string) (now history.State, err error) {
	if err := l.Release(ctx); err != nil {
		return now, err
	}
	err = l.poll(ctx, func(ctx context.Context, key int64) (got bool, err error) {
		got, now, err = l.try(ctx, begin, key)
		if err == nil && !got {
			err = l.session.Rollback(ctx, "")
		}
		return got, err
	})
	l.session.TxOpen = err == nil
	return now, err
}

// try opens a transaction, tries to take the lock and reads the version, in one round
// trip.
func (l *transactionLock) try(ctx context.Context, begin string, key int64) (got bool, now history.State, err error) {
	query := begin + "DISCARD TEMP;\n" // another client's temporary table would hide a table of the schema
	if l.session.Server.VersionNum >= 140000 {
		query += "SET LOCAL client_connection_check_interval = 3000;\n"
	}
	for _, name := range l.session.IdleTimeouts() {
		if name != postgres.IdleSessionTimeout { // it has no effect in a transaction, and the session belongs to the pooler
			query += "SET LOCAL " + name + " = 0;\n"
		}
	}
	query += fmt.Sprintf("SELECT pg_catalog.pg_try_advisory_xact_lock(%d), pg_catalog.pg_backend_pid(), "+postgres.EpochMicroseconds("pg_catalog.statement_timestamp()")+";\n", key)
	if l.store.VersionTableExists {
		query += "SELECT version, dirty FROM " + l.store.Table.Quoted() + " LIMIT 2"
	}
	now.Version = history.NoVersion
	rows, err := l.session.Query(ctx, query)
	if err != nil {
		return false, now, l.session.ClassifyError(ctx, err)
	}
	for rows.Next() && err == nil {
		err = rows.Scan(&got, &l.session.Server.PID, &l.session.TxStarted)
	}
	l.session.BackendPID.Store(int64(l.session.Server.PID))
	if err == nil && rows.NextResultSet() {
		now, err = history.ScanVersion(rows, l.store.Table)
	}
	return got, now, l.session.ClassifyError(ctx, errors.Join(err, rows.Err(), rows.Close()))
}

// Release commits the transaction that holds the lock; each migration's transaction takes it again.
func (l *transactionLock) Release(ctx context.Context) error {
	if !l.session.TxOpen {
		return nil
	}
	err := l.session.Exec(ctx, "COMMIT")
	l.session.TxOpen = false
	return err
}

// Unlock releases the lock.
func (l *transactionLock) Unlock(ctx context.Context) error { return l.Release(ctx) }

// Reacquire takes the lock in a transaction of its own, and reads the tables, which may have changed.
func (l *transactionLock) Reacquire(ctx context.Context) error {
	if l.session.TxOpen {
		return nil
	}
	if _, err := l.begin(ctx, "BEGIN;\n"); err != nil {
		return err
	}
	return l.store.Refresh(ctx)
}

// ReleaseForeignSQL returns the SQL that releases all advisory locks of the session: the migration
// lock belongs to the transaction, and no function releases it.
func (l *transactionLock) ReleaseForeignSQL() string {
	return "SELECT pg_catalog.pg_advisory_unlock_all();\n"
}

// detectStatementPooling returns ErrStatementPooling if a pooler in statement mode closed the
// connection because it began a transaction, and else err.
func (l *transactionLock) detectStatementPooling(ctx context.Context, err error) error {
	var lost *postgres.LostError
	if !errors.As(err, &lost) || ctx.Err() != nil {
		return err
	}
	probe := l.session.WithSecondSession(ctx, func(second *postgres.Session) error {
		if second.Exec(ctx, "BEGIN") != nil {
			return ErrStatementPooling
		}
		return nil
	})
	if errors.Is(probe, ErrStatementPooling) {
		return ErrStatementPooling
	}
	return err
}
