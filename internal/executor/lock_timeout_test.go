package executor

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
)

// beginReader returns an application's transaction that has read table a and stays open.
func beginReader(t *testing.T, d *pgtest.Database) *sql.Tx {
	t.Helper()
	tx, err := d.Open(t).Begin()
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() })
	_, err = tx.Exec("SET application_name = 'report'; SELECT * FROM a")
	require.NoError(t, err)
	return tx
}

const lockTimeoutMessage = "lock timeout, retrying"

// openWithLockTimeout returns a session with a lock timeout, and its log.
func openWithLockTimeout(t *testing.T, d *pgtest.Database, lockTimeout time.Duration) (*Executor, *fixture.Log) {
	t.Helper()
	var log fixture.Log
	o := teststore.Options(t, d.URL())
	o.LockTimeout, o.Log = lockTimeout, log.Logger()
	return openWithOptions(t, o), &log
}

func TestApply_LockTimeout_RetriesAndReportsBlockingSession(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, log := openWithLockTimeout(t, d, time.Second)
	require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a (b int)"))
	report := beginReader(t, d)

	done := make(chan *migrationerror.Error, 1)
	go func() { done <- applySQL(t, db, "CREATE TABLE c (d int); ALTER TABLE a ADD COLUMN c int") }()
	// The application's next queries queue behind the migration, but not for long.
	app := d.Open(t)
	log.Wait(t, lockTimeoutMessage)
	_, err := app.ExecContext(t.Context(), "SELECT * FROM a")
	require.NoError(t, err)
	// Not every attempt sees the blocking session: on a busy machine the query comes late.
	log.Wait(t, lockTimeoutMessage, "blocked_by", `application_name "report"`, "blocked_by", "idle in transaction")

	require.NoError(t, report.Commit())
	require.Nil(t, <-done)
	assert.NotContains(t, log.String(), "no transaction in progress", "the warning of Shiplock's own ROLLBACK is not logged")
	assert.Equal(t, "1", d.Value(t, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'c'"))
}

func TestApply_LockTimeoutUntilDeadline_Fails(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, _ := openWithLockTimeout(t, d, 200*time.Millisecond)
	require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a (b int)"))
	beginReader(t, d)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, assert.AnError)
	defer cancel()
	script, err := script.ParseScript([]byte("ALTER TABLE a ADD COLUMN c int"))
	require.NoError(t, err)
	fail := db.Apply(ctx, Migration{Script: script, From: noVersion, To: versionOne, Entry: history.Entry{Version: 1, Name: "x", Direction: "up"}})
	require.NotNil(t, fail)
	assert.ErrorIs(t, fail, assert.AnError)
	assert.Equal(t, migrationerror.RolledBack, fail.Outcome)
	assert.Contains(t, strings.Join(activity.SessionTexts(fail.Blockers), " "), "report", "the blocking session, whenever the timeout was reached")
}

func TestApply_LockTimeoutInSecondBlock_RetriesBlock(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, log := openWithLockTimeout(t, d, 200*time.Millisecond)
	require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a (b int)"))
	report := beginReader(t, d)
	done := make(chan *migrationerror.Error, 1)
	go func() {
		done <- applySQL(t, db, "BEGIN; CREATE TABLE c (d int); COMMIT; BEGIN; ALTER TABLE a ADD COLUMN c int; COMMIT; INSERT INTO c VALUES (1)")
	}()
	log.Wait(t, lockTimeoutMessage, "attempt", "2")
	require.NoError(t, report.Commit())
	require.Nil(t, <-done)
	assert.Equal(t, "1", d.Value(t, "SELECT count(*) FROM c"))
}

func TestApply_ConcurrentIndex_HasNoLockTimeout(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, log := openWithLockTimeout(t, d, 100*time.Millisecond)
	require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a (b int)"))
	report := beginReader(t, d)
	_, err := report.Exec("INSERT INTO a VALUES (1)") // the index waits for older writers
	require.NoError(t, err)
	done := make(chan *migrationerror.Error, 1)
	go func() { done <- applySQL(t, db, "CREATE INDEX CONCURRENTLY i ON a (b)") }()
	// The same statement waits for longer than three lock timeouts.
	fixture.Eventually(t, d, `SELECT count(*) FROM pg_stat_progress_create_index JOIN pg_stat_activity USING (pid, datname)
		WHERE datname = current_database() AND phase LIKE 'waiting%' AND clock_timestamp() - query_start > '300 ms'`, "1")
	require.NoError(t, report.Commit())
	require.Nil(t, <-done)
	assert.Empty(t, log.Records(lockTimeoutMessage))
	assert.Equal(t, "true", d.Value(t, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass"))
}

func TestApply_StatementTimeout_Fails(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, _ := openWithLockTimeout(t, d, time.Second)
	db.session.Opts.StatementTimeout = 200 * time.Millisecond
	fail := applySQL(t, db, "SELECT pg_sleep(60)")
	require.NotNil(t, fail)
	assert.EqualValues(t, "57014", fail.Server().Code)
	assert.Equal(t, "0", sessionValue(t, db, "SELECT current_setting('statement_timeout')"))
}
