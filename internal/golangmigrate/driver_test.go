package golangmigrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/golang-migrate/migrate/v4/database"
	stock "github.com/golang-migrate/migrate/v4/database/postgres"
	migratetesting "github.com/golang-migrate/migrate/v4/database/testing"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var errStop = errors.New("stop")

func TestDriver_Conformance_Passes(t *testing.T) {
	t.Parallel()
	migratetesting.Test(t, NewDriver(t.Context(), teststore.Open(t, pgtest.New(t))), []byte("CREATE TABLE t (a int); SELECT 1"))
}

// The key is that of golang-migrate, also for names that need quoting.
func TestKey_EqualsGolangMigrates(t *testing.T) {
	t.Parallel()
	store := teststore.Open(t, pgtest.New(t))
	want, err := database.GenerateAdvisoryLockId("/"+store.Session().Server.Database, store.Table.Schema, store.Table.Name)
	require.NoError(t, err)
	assert.Equal(t, want, fmt.Sprint(lock.Key(store)))
}

// The run is canceled before golang-migrate marks the version clean.
func TestDriver_CanceledAfterCommit_VersionStays(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	driver := NewDriver(ctx, teststore.Open(t, d))
	require.NoError(t, driver.Lock())
	require.NoError(t, driver.SetVersion(1, true))
	require.NoError(t, driver.Run(strings.NewReader("CREATE TABLE a (b int)")))
	cancel(errStop)
	require.NoError(t, driver.SetVersion(1, false))
	require.ErrorIs(t, driver.SetVersion(2, true), errStop)
	assert.Equal(t, "1", d.Value(t, "SELECT version FROM schema_migrations"))
}

// golangMigrateDriver returns golang-migrate's own driver, opened by URL as in its CLI.
func golangMigrateDriver(t *testing.T, d *pgtest.Database) database.Driver {
	t.Helper()
	driver, err := (&stock.Postgres{}).Open(d.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = driver.Close() })
	return driver
}

func TestLock_GolangMigrate_IsExcluded(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	migrateDriver, db := golangMigrateDriver(t, d), teststore.Open(t, d)
	require.NoError(t, migrateDriver.Lock())
	var locked *lock.LockedError
	_, err := lock.Acquire(t.Context(), db, lock.Options{})
	require.ErrorAs(t, err, &locked)
	require.NotNil(t, locked.Holder)
	assert.NotZero(t, locked.Holder.PID)
	require.NoError(t, migrateDriver.Unlock())
	locker, err := lock.Acquire(t.Context(), db, lock.Options{})
	require.NoError(t, err)

	got := make(chan error, 1)
	go func() { got <- migrateDriver.Lock() }()
	fixture.Eventually(t, d, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())", "1")
	require.NoError(t, locker.Unlock(t.Context()))
	require.NoError(t, <-got)
}

// applySQL runs SQL as the migration to version 1, through the driver.
func applySQL(t *testing.T, store *history.Store, sql string) {
	t.Helper()
	driver := NewDriver(t.Context(), store)
	require.NoError(t, driver.SetVersion(1, true))
	require.NoError(t, driver.Run(strings.NewReader(sql)))
	require.NoError(t, driver.SetVersion(1, false))
}

func TestVersionTable_Definition_MatchesGolangMigrate(t *testing.T) {
	t.Parallel()
	describe := `SELECT string_agg(format('%s %s %s', attname, format_type(atttypid, atttypmod), attnotnull), ',' ORDER BY attnum)
		|| (SELECT string_agg(pg_get_constraintdef(oid), ',' ORDER BY contype) FROM pg_constraint WHERE conrelid = attrelid AND contype <> 'n')
		FROM pg_attribute WHERE attrelid = 'schema_migrations'::regclass AND attnum > 0 GROUP BY attrelid`
	own, expected := pgtest.New(t), pgtest.New(t)
	applySQL(t, teststore.Open(t, own), "SELECT 1")
	driver := golangMigrateDriver(t, expected)
	require.NoError(t, driver.SetVersion(1, false))
	assert.Equal(t, expected.Value(t, describe), own.Value(t, describe))

	version, dirty, err := golangMigrateDriver(t, own).Version()
	require.NoError(t, err)
	assert.Equal(t, 1, version)
	assert.False(t, dirty)
	st, err := teststore.Open(t, expected).State(t.Context())
	require.NoError(t, err)
	assert.Equal(t, history.State{Version: 1}, st)

	require.NoError(t, driver.SetVersion(database.NilVersion, true))
	st, err = teststore.Open(t, expected).State(t.Context())
	require.NoError(t, err)
	assert.Equal(t, history.State{Version: -1, Dirty: true}, st)
}

// The result does not depend on how fast the server answers.
func TestDriver_CanceledBeforeRun_RunsNothing(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	store := teststore.Open(t, d)
	ctx, cancel := context.WithCancelCause(t.Context())
	driver := NewDriver(ctx, store)
	require.NoError(t, driver.Lock())
	require.NoError(t, driver.SetVersion(1, true))
	cancel(errStop)
	require.ErrorIs(t, driver.Run(strings.NewReader("CREATE TABLE a (b int)")), errStop)
	require.NoError(t, store.Session().Conn.PingContext(t.Context()), "no query was canceled")
	assert.Empty(t, d.Value(t, "SELECT to_regclass('a')"))
}

// golang-migrate writes a file into a pipe.
func TestDriver_LargeFile_ReadsPipe(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	driver := NewDriver(t.Context(), teststore.Open(t, d))
	text := "CREATE TABLE a (b int);\n" + strings.Repeat("INSERT INTO a VALUES (1); -- "+strings.Repeat("x", 1000)+"\n", 5000)
	require.NoError(t, driver.Lock())
	require.NoError(t, driver.SetVersion(1, true))
	body, writer := io.Pipe()
	written := make(chan error, 1)
	go func() {
		_, err := io.Copy(writer, strings.NewReader(text))
		written <- errors.Join(err, writer.Close())
	}()
	require.NoError(t, driver.Run(body))
	require.NoError(t, <-written)
	require.NoError(t, driver.SetVersion(1, false))
	assert.Equal(t, "5000", d.Value(t, "SELECT count(*) FROM a"))
}
