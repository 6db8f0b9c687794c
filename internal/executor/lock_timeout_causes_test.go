package executor

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// Other errors with the same SQLSTATE would recur on each attempt.
func TestApply_OtherLockErrors_AreNotRetried(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"raised by the migration":  "DO $$ BEGIN RAISE 'not on a Friday' USING ERRCODE = 'lock_not_available'; END $$",
		"raised by a function":     "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '55P03'; END $$; SELECT f()",
		"NOWAIT":                   "LOCK TABLE a IN ACCESS EXCLUSIVE MODE NOWAIT",
		"rows, NOWAIT":             "UPDATE b SET c = 1; SELECT * FROM b FOR UPDATE; LOCK TABLE a NOWAIT",
		"SET":                      "SET lock_timeout = '50ms'; ALTER TABLE a ADD COLUMN c int",
		"SET LOCAL":                "CREATE TABLE d (e int); SET LOCAL lock_timeout = '50ms'; ALTER TABLE a ADD COLUMN c int",
		"set_config":               "SELECT set_config('lock_timeout', '50ms', true); ALTER TABLE a ADD COLUMN c int",
		"in a block":               "DO $$ BEGIN SET LOCAL lock_timeout = '50ms'; LOCK TABLE a; END $$",
		"SET in several":           "BEGIN; SELECT 1; COMMIT; SET lock_timeout = '50ms'; BEGIN; ALTER TABLE a ADD COLUMN c int; COMMIT",
		"SET, statement by itself": "-- shiplock:no-transaction\nSET lock_timeout = '50ms'; ALTER TABLE a ADD COLUMN c int",
		"of a function":            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql SET lock_timeout = '50ms' AS $$ BEGIN LOCK TABLE a; END $$; SELECT f()",
		"SET LOCAL, by itself":     "-- shiplock:no-transaction\nBEGIN; SET LOCAL lock_timeout = '50ms'; ALTER TABLE a ADD COLUMN c int; COMMIT; SELECT 1",
		"SET, a concurrent index":  "SET lock_timeout = '50ms'; CREATE INDEX CONCURRENTLY i ON a (b)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			db, log := openWithLockTimeout(t, d, 30*time.Second)
			require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a (b int); CREATE TABLE b (c int)"))
			report := beginReader(t, d)
			_, err := report.Exec("INSERT INTO a VALUES (1)")
			require.NoError(t, err)
			fail := applySQL(t, db, sql)
			require.NotNil(t, fail)
			require.NotNil(t, fail.Server(), fail)
			assert.Equal(t, "55P03", string(fail.Server().Code))
			assert.Empty(t, log.Records(lockTimeoutMessage))
		})
	}
}

// The file is not a transaction.
func TestApply_FileSetsStatementTimeout_IsKept(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, _ := openWithLockTimeout(t, d, time.Second)
	db.session.Opts.StatementTimeout = 100 * time.Millisecond
	require.Nil(t, applySQL(t, db, "-- shiplock:no-transaction\nSET statement_timeout = 0; SELECT pg_sleep(0.3); SELECT 1"))
	fail := applySQL(t, db, "-- shiplock:no-transaction\nSELECT 1; SELECT pg_sleep(60)")
	require.NotNil(t, fail)
	assert.Equal(t, "57014", string(fail.Server().Code))
}

// The lock timeout is in each line of the log and in the error at the end of the run.
func TestApply_CanceledAfterLockTimeout_ReportsLockTimeout(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, log := openWithLockTimeout(t, d, 100*time.Millisecond)
	require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a (b int)"))
	beginReader(t, d)
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan *migrationerror.Error, 1)
	go func() {
		script, err := script.ParseScript([]byte("ALTER TABLE a ADD COLUMN c int"))
		assert.NoError(t, err)
		done <- db.Apply(ctx, Migration{Script: script, From: noVersion, To: versionOne, Entry: history.Entry{Version: 1, Name: "x", Direction: "up"}})
	}()
	log.Wait(t, lockTimeoutMessage, "error", "55P03")
	cancel(assert.AnError)
	fail := <-done
	require.NotNil(t, fail)
	require.ErrorIs(t, fail, assert.AnError)
	require.NotNil(t, fail.Server())
	assert.Equal(t, "55P03", string(fail.Server().Code))
}
