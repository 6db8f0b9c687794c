package lock

import (
	"context"
	"errors"
	"fmt"

	"github.com/shiplock/shiplock/internal/history"
)

// A sessionLock is an advisory lock of the session.
type sessionLock struct{ waiter }

func acquireSessionLock(ctx context.Context, w waiter) (Locker, error) {
	l := &sessionLock{w}
	if err := l.poll(ctx, l.try); err != nil {
		return nil, err
	}
	l.opts.Unneeded = nil
	// The backend that holds the lock must end with its client, and another migrator may have
	// changed the tables before this session got the lock.
	if err := errors.Join(l.session.Exec(ctx, l.session.KeepaliveSQL()), l.store.Refresh(ctx)); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *sessionLock) try(ctx context.Context, key int64) (got bool, err error) {
	// A timeout for idle sessions must not end the session while it waits for the lock.
	rows, err := l.session.Query(ctx, l.session.DisableIdleTimeoutsSQL()+fmt.Sprintf("SELECT pg_catalog.pg_try_advisory_lock(%d)", key))
	if err != nil {
		return false, l.session.ClassifyError(ctx, err)
	}
	if rows.Next() {
		err = rows.Scan(&got)
	}
	return got, l.session.ClassifyError(ctx, errors.Join(err, rows.Err(), rows.Close()))
}

// Unlock releases the lock.
func (l *sessionLock) Unlock(ctx context.Context) error {
	return l.session.Exec(ctx, `SELECT pg_catalog.pg_advisory_unlock_all()`)
}

// Begin returns begin: the session holds the lock, so the version is still the planned one.
func (l *sessionLock) Begin(_ context.Context, begin string, _ history.State) (string, error) {
	return begin, nil
}

// Release does nothing: the session keeps its lock.
func (l *sessionLock) Release(context.Context) error { return nil }

// Reacquire does nothing.
func (l *sessionLock) Reacquire(context.Context) error { return nil }

// ReleaseForeignSQL returns the SQL that releases all advisory locks of the session except the
// migration lock: the transaction holds that lock until its end, and the session acquires it again
// before.
func (l *sessionLock) ReleaseForeignSQL() string {
	return fmt.Sprintf("SELECT 1 / pg_catalog.pg_try_advisory_xact_lock(%[1]d)::int, pg_catalog.pg_advisory_unlock_all(), pg_catalog.pg_try_advisory_lock(%[1]d);\n", Key(l.store))
}
