package migrator_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// steps records the transaction of each migration; a is a table of the application.
const steps = `
-- 1_log.up.sql --
CREATE TABLE log (version int, txid bigint DEFAULT txid_current());
INSERT INTO log VALUES (1);
-- 1_log.down.sql --
DROP TABLE log;
-- 2_wide.up.sql --
BEGIN;
INSERT INTO log VALUES (2);
ALTER TABLE a ADD COLUMN c int;
COMMIT;
-- 2_wide.down.sql --
ALTER TABLE a DROP COLUMN c;
-- 3_last.up.sql --
INSERT INTO log VALUES (3);
-- 3_last.down.sql --
DELETE FROM log WHERE version = 3;
`

const (
	tables   = "SELECT coalesce(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
	outcomes = "SELECT string_agg(migration_version || ' ' || run_outcome, ', ' ORDER BY run_id) FROM schema_migrations_history"
)

func newDatabaseWithTable(t *testing.T, archive string) (*pgtest.Database, migrator.Options) {
	t.Helper()
	d := newDatabase(t)
	_, err := d.Open(t).Exec("CREATE TABLE a (b int)")
	require.NoError(t, err)
	o := newOptions(t, d, fixture.Files(t, archive))
	o.TxMode = migrator.TxModeAll
	return d, o
}

func TestUp_TxModeAll_AppliesInOneTransaction(t *testing.T) {
	t.Parallel()
	d, o := newDatabaseWithTable(t, steps)
	result, err := migrator.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, []int{-1, 3, 3}, []int{result.From, result.To, result.Applied})
	assert.Equal(t, "1 3", d.Value(t, "SELECT concat(count(DISTINCT txid), ' ', count(*)) FROM log"))
	assert.Equal(t, "3 f", d.Value(t, version))
	assert.Equal(t, "1 applied, 2 applied, 3 applied", d.Value(t, outcomes))
}

func TestUp_TxModeAllFails_RollsBackAll(t *testing.T) {
	t.Parallel()
	broken := steps + "-- 4_broken.up.sql --\nINSERT INTO log VALUES (4);\nINSERT INTO log VALUES ('four');\n-- 4_broken.down.sql --\n"
	t.Run("on a new database", func(t *testing.T) {
		t.Parallel()
		d, o := newDatabaseWithTable(t, broken)
		_, err := migrator.Up(t.Context(), o)
		var run *migrator.RunError
		require.ErrorAs(t, err, &run)
		assert.Zero(t, run.Applied)
		var fail *migrationerror.Error
		require.ErrorAs(t, err, &fail)
		assert.Equal(t, "4_broken.up.sql", fail.File)
		assert.Equal(t, -1, fail.Before)
		assert.Equal(t, migrationerror.RolledBack, fail.Outcome)
		assert.Equal(t, "a", d.Value(t, tables), "not even a version table")
	})
	t.Run("on one with a version", func(t *testing.T) {
		t.Parallel()
		d, o := newDatabaseWithTable(t, broken)
		all := o.Source
		o.Source = fixture.Files(t, "-- 1_log.up.sql --\nCREATE TABLE log (version int, txid bigint DEFAULT txid_current());\nINSERT INTO log VALUES (1);\n-- 1_log.down.sql --\nDROP TABLE log;\n")
		_, err := migrator.Up(t.Context(), o)
		require.NoError(t, err)
		o.Source = all
		_, err = migrator.Up(t.Context(), o)
		var fail *migrationerror.Error
		require.ErrorAs(t, err, &fail)
		assert.Equal(t, 1, fail.Before)
		assert.Equal(t, "1 f", d.Value(t, version))
		assert.Equal(t, "1", d.Value(t, "SELECT string_agg(version::text, ' ') FROM log"))
		assert.Equal(t, "1 applied, 4 failed", d.Value(t, outcomes))
	})
	t.Run("when it is ended", func(t *testing.T) {
		t.Parallel()
		d, o := newDatabaseWithTable(t, steps)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := &interrupt.SignalError{Signal: syscall.SIGTERM}
		o = withLogHook(o, "migration executed, not committed yet", 2, func() { cancel(why) })
		_, err := migrator.Up(ctx, o)
		require.ErrorIs(t, err, why)
		var run *migrator.RunError
		require.ErrorAs(t, err, &run)
		assert.Zero(t, run.Applied)
		fixture.Eventually(t, d, tables, "a")
	})
}

func TestUp_TxModeAllLockTimeout_RetriesAll(t *testing.T) {
	t.Parallel()
	d, o := newDatabaseWithTable(t, steps)
	o.Postgres.LockTimeout = 200 * time.Millisecond
	tx, err := d.Open(t).Begin()
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.Exec("SELECT * FROM a")
	require.NoError(t, err)
	const waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
	type outcome struct {
		migrator.Result
		error
	}
	ended := make(chan outcome, 1)
	go func() {
		r, err := migrator.Up(t.Context(), o)
		ended <- outcome{r, err}
	}()
	fixture.Eventually(t, d, waiting, "1")
	fixture.Eventually(t, d, waiting, "0")
	assert.Equal(t, "a", d.Value(t, tables), "between two attempts, no lock is held and no change remains")
	require.NoError(t, tx.Rollback())
	end := <-ended
	require.NoError(t, end.error)
	assert.Equal(t, 3, end.Applied)
	assert.Equal(t, "1 2 3", d.Value(t, "SELECT string_agg(version::text, ' ' ORDER BY version) FROM log"))
}

func TestUp_TxModeAllNonTransactional_Refuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ second, line, want string }{
		"refuses a transaction": {"SELECT 1;\nCREATE INDEX CONCURRENTLY i ON a (b);", ":2", "CREATE INDEX CONCURRENTLY i ON a … cannot run in a transaction"},
		"own transactions":      {"SELECT 1; BEGIN; SELECT 2; COMMIT; SELECT 3;", ":1", "it has its own transactions"},
		"the directive":         {"-- shiplock:no-transaction\nSELECT 1;", "", "it has the directive shiplock:no-transaction"},
		"an isolation level":    {"BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT;", "", `it begins its transaction with "BEGIN ISOLATION LEVEL SERIALIZABLE"`},
		"SET TRANSACTION":       {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1;", ":1", "must be the first statement"},
		"newer SQL":             {"FROBNICATE THE TABLE a;", ":1", "the parser does not support"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, o := newDatabaseWithTable(t, "-- 1_one.up.sql --\nCREATE TABLE one (a int);\n-- 2_two.up.sql --\n"+c.second+"\n")
			_, err := migrator.Up(t.Context(), o)
			var apart *executor.SeparateTransactionError
			require.ErrorAs(t, err, &apart)
			assert.Contains(t, err.Error(), "2_two.up.sql"+c.line+": ")
			assert.Contains(t, err.Error(), c.want)
			assert.Equal(t, "a", d.Value(t, tables))
		})
	}
	t.Run("alone it can", func(t *testing.T) {
		t.Parallel()
		_, o := newDatabaseWithTable(t, "-- 1_one.up.sql --\nCREATE TABLE one (a int);\n")
		_, err := migrator.Up(t.Context(), o)
		require.NoError(t, err)
	})
}
