package executor

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
)

// openSession opens a session that does not hold the lock.
func openSession(t *testing.T, d *pgtest.Database) *Executor {
	t.Helper()
	return New(teststore.Open(t, d), unlocked{})
}

func openWithOptions(t *testing.T, o postgres.Options) *Executor {
	t.Helper()
	return New(teststore.OpenWith(t, o, history.Options{Table: teststore.Table}), unlocked{})
}

// acquireLock takes the migration lock.
func acquireLock(t *testing.T, db *Executor) lock.Locker {
	t.Helper()
	locker, err := lock.Acquire(t.Context(), db.store, lock.Options{})
	require.NoError(t, err)
	db.locker = locker
	return locker
}

// unlocked is the Locker of a session that does not hold the lock.
type unlocked struct{}

func (unlocked) Begin(_ context.Context, begin string, _ history.State) (string, error) {
	return begin, nil
}

func (unlocked) ReleaseForeignSQL() string { return "SELECT pg_catalog.pg_advisory_unlock_all();\n" }
