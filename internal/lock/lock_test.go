package lock_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestLock_Held_PollsAndReportsHolder(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	holder, waiter := teststore.Open(t, d), teststore.Open(t, d)
	held, err := lock.Acquire(t.Context(), holder, lock.Options{})
	require.NoError(t, err)
	_, err = lock.Acquire(t.Context(), waiter, lock.Options{Wait: 500 * time.Millisecond})
	var locked *lock.LockedError
	require.ErrorAs(t, err, &locked)
	require.NotNil(t, locked.Holder)
	assert.Equal(t, holder.Session().Server.PID, locked.Holder.PID)
	assert.Equal(t, "shiplock", locked.Holder.Application)

	got := make(chan error, 1)
	go func() {
		_, err := lock.Acquire(t.Context(), waiter, lock.Options{Wait: time.Minute})
		got <- err
	}()
	for range 20 { // a waiting session has no query in the server
		assert.Equal(t, "0", d.Value(t, "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"))
	}
	require.NoError(t, held.Unlock(t.Context()))
	require.NoError(t, <-got)
}

func TestLock_HolderTerminated_IsReleased(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	holder, waiter := teststore.Open(t, d), teststore.Open(t, d)
	_, err := lock.Acquire(t.Context(), holder, lock.Options{})
	require.NoError(t, err)
	d.Exec(t, fmt.Sprintf("SELECT pg_terminate_backend(%d)", holder.Session().Server.PID))
	_, err = lock.Acquire(t.Context(), waiter, lock.Options{Wait: 10 * time.Second})
	require.NoError(t, err)
}
