package migrator_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// blockingMigration is a migration that waits until the test releases a lock.
const blockingMigration = "-- 1_blocking.up.sql --\nSELECT pg_advisory_lock_shared(42), pg_advisory_unlock_shared(42);\n" +
	"-- 2_once.up.sql --\nCREATE TABLE once (a int);\n"

// holdAdvisoryLock blocks blockingMigration until release is called; waitForBlocked waits for a blocked migrator.
func holdAdvisoryLock(t *testing.T, d *pgtest.Database) (waitForBlocked, release func()) {
	t.Helper()
	conn, err := d.Admin().Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = conn.ExecContext(t.Context(), "SELECT pg_advisory_lock(42)")
	require.NoError(t, err)
	waitForBlocked = func() {
		require.Eventually(t, func() bool {
			return d.Value(t, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) == "1"
		}, time.Minute, 10*time.Millisecond)
	}
	release = func() {
		_, err := conn.ExecContext(t.Context(), "SELECT pg_advisory_unlock(42)")
		require.NoError(t, err)
	}
	return waitForBlocked, release
}

func TestUp_TwoAtOnce_RunsOnce(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	waitForBlocked, release := holdAdvisoryLock(t, d)
	o := newOptions(t, d, fixture.Files(t, blockingMigration))
	type outcome struct {
		migrator.Result
		error
	}
	results := make(chan outcome, 3)
	up := func() {
		r, err := migrator.Up(t.Context(), o)
		results <- outcome{r, err}
	}
	go up()
	waitForBlocked()

	withoutWait := o
	withoutWait.Postgres.LockWait = 0
	_, err := migrator.Up(t.Context(), withoutWait)
	var locked *lock.LockedError
	require.ErrorAs(t, err, &locked)
	require.NotNil(t, locked.Holder)
	assert.Equal(t, "shiplock", locked.Holder.Application)

	go up()
	go up()
	release()
	applied := 0
	for range cap(results) {
		r := <-results
		require.NoError(t, r.error)
		assert.Equal(t, 2, r.To)
		applied += r.Applied
	}
	assert.Equal(t, 2, applied, "each migration has run once")
	assert.Equal(t, "2 f", d.Value(t, version))
}

// TestUp_GolangMigrateRunning_Waits checks that golang-migrate and Shiplock exclude each
// other, whichever starts first.
func TestUp_GolangMigrateRunning_Waits(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	waitForBlocked, release := holdAdvisoryLock(t, d)
	dir := fixture.Files(t, blockingMigration)
	m := newGolangMigrate(t, d, dir)
	done := make(chan error, 1)
	go func() { done <- m.Up() }()
	waitForBlocked()
	o := newOptions(t, d, dir)
	withoutWait := o
	withoutWait.Postgres.LockWait = 0
	_, err := migrator.Up(t.Context(), withoutWait)
	var locked *lock.LockedError
	assert.ErrorAs(t, err, &locked, "golang-migrate has marked the version dirty, but it is running")
	_, err = migrator.Down(t.Context(), withoutWait, 0)
	assert.ErrorAs(t, err, &locked)
	result := make(chan migrator.Result, 1)
	go func() {
		r, err := migrator.Up(context.WithoutCancel(t.Context()), o)
		assert.NoError(t, err)
		result <- r
	}()
	release()
	require.NoError(t, <-done)
	assert.Equal(t, migrator.Result{From: 2, To: 2}, <-result)

	d = newDatabase(t)
	waitForBlocked, release = holdAdvisoryLock(t, d)
	o = newOptions(t, d, dir)
	m = newGolangMigrate(t, d, dir)
	go func() {
		_, err := migrator.Up(context.WithoutCancel(t.Context()), o)
		done <- err
	}()
	waitForBlocked()
	m.LockTimeout = 100 * time.Millisecond
	require.Error(t, m.Up(), "it cannot have the lock")
	release()
	require.NoError(t, <-done)
	assert.Equal(t, "2 f", d.Value(t, version))
}

// TestUp_LockHeld_WaitsAndReportsHolder covers a running non-transactional statement, during
// which the database looks as if a migrator was killed, which would be refused.
func TestUp_LockHeld_WaitsAndReportsHolder(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	waitForBlocked, release := holdAdvisoryLock(t, d)
	o := newOptions(t, d, fixture.Files(t, "-- 1_blocking.up.sql --\n-- shiplock:no-transaction\nCREATE TABLE a (b int);\n"+
		"DO $$ BEGIN COMMIT; PERFORM pg_advisory_lock_shared(42); INSERT INTO a VALUES (1); COMMIT; PERFORM pg_advisory_unlock_shared(42); END $$;\n"))
	results := make(chan migrator.Result, 2)
	up := func() {
		r, err := migrator.Up(context.WithoutCancel(t.Context()), o)
		assert.NoError(t, err)
		results <- r
	}
	go up()
	waitForBlocked()
	withoutWait := o
	withoutWait.Postgres.LockWait = 0
	_, err := migrator.Up(t.Context(), withoutWait)
	var locked *lock.LockedError
	assert.ErrorAs(t, err, &locked)
	go up()
	release()
	assert.Equal(t, 1, (<-results).Applied+(<-results).Applied)
	assert.Equal(t, "1", d.Value(t, "SELECT count(*) FROM a"))
}
