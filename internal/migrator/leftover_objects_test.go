package migrator_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

const (
	invalid = "SELECT coalesce(string_agg(indexrelid::regclass::text, ' ' ORDER BY 1), '') FROM pg_index WHERE NOT indisvalid"
	logged  = "SELECT coalesce(string_agg(n::text, ',' ORDER BY n), '') FROM log"
)

// TestResume_CorrectedIntoOneTransaction_RunsOnlyTheRest checks that applied statements never
// run again, even if the file was edited, and that the failed statement leaves nothing.
func TestResume_CorrectedIntoOneTransaction_RunsOnlyTheRest(t *testing.T) {
	t.Parallel()
	const first = "INSERT INTO log VALUES (1);\n"
	for name, c := range map[string]struct{ text, logged, refusal string }{
		"nothing remains":         {text: first, logged: "1"},
		"statements remain":       {text: first + "INSERT INTO log VALUES (2);\nINSERT INTO log VALUES (3);", logged: "1,2,3"},
		"in BEGIN and COMMIT":     {text: "BEGIN ISOLATION LEVEL SERIALIZABLE;\n" + first + "INSERT INTO log SELECT 2 WHERE current_setting('transaction_isolation') = 'serializable';\nCOMMIT;", logged: "1,2"},
		"with a transaction":      {text: first + "BEGIN;\nINSERT INTO log VALUES (2);\nCOMMIT;\nINSERT INTO log VALUES (3);", logged: "1,2,3"},
		"with rows":               {text: first + "INSERT INTO log VALUES (2);\nCOPY log (n) FROM stdin;\n3\n4\n\\.\nINSERT INTO log VALUES (5);\n", logged: "1,2,3,4,5"},
		"a big file":              {text: first + "-- " + strings.Repeat("x", 300<<10) + "\nINSERT INTO log VALUES (2);", logged: "1,2"},
		"another statement":       {text: first + "CREATE INDEX CONCURRENTLY other ON users (id);\nINSERT INTO log VALUES (2);", logged: "1,2"},
		"fewer statements":        {text: "SELECT 1;", logged: "1", refusal: "was changed afterwards"},
		"another first statement": {text: "INSERT INTO log VALUES (7);\nINSERT INTO log VALUES (8);", logged: "1", refusal: "was changed afterwards"},
		"newer than the parser":   {text: first + "CREATE TABLE v (a int, b int GENERATED ALWAYS AS (a * 2) SOMEHOW);", logged: "1", refusal: `at or near "SOMEHOW"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			o := interruptedRun(t, d, first+failsOnDuplicates+"INSERT INTO log VALUES (2);")
			overwriteFile(t, o, "2_x.up.sql", c.text)
			_, err := migrator.Up(t.Context(), o)
			if c.refusal != "" {
				require.ErrorContains(t, err, c.refusal)
			} else {
				require.NoError(t, err)
				assert.Equal(t, "2 f", d.Value(t, version))
			}
			assert.Equal(t, c.logged, d.Value(t, logged))
			assert.Empty(t, d.Value(t, invalid))
		})
	}
}

func TestResume_CorrectedIntoOneTransaction_FailsAndRunsAgain(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	o := interruptedRun(t, d, "INSERT INTO log VALUES (1);\n"+failsOnDuplicates)
	overwriteFile(t, o, "2_x.up.sql", "INSERT INTO log VALUES (1);\nINSERT INTO log VALUES (2);\nINSERT INTO log VALUES (3), ('x');")
	for range 2 {
		_, err := migrator.Up(t.Context(), o)
		var failed *migrationerror.Error
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, migrationerror.PartiallyApplied, failed.Outcome)
		assert.Equal(t, 1, failed.StatementsApplied)
		assert.Equal(t, 2, failed.FailedIndex)
		assert.Equal(t, "1", d.Value(t, logged))
	}
	o.TxMode = migrator.TxModeAll
	overwriteFile(t, o, "2_x.up.sql", "INSERT INTO log VALUES (1);\nINSERT INTO log VALUES (2);")
	_, err := migrator.Up(t.Context(), o)
	var apart *executor.SeparateTransactionError
	require.ErrorAs(t, err, &apart)
	o.TxMode = migrator.TxModeFile
	_, err = migrator.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, "1,2", d.Value(t, logged))
}

// holdLocks begins a transaction that blocks other sessions.
func holdLocks(t *testing.T, d *pgtest.Database, queries ...string) (release func()) {
	t.Helper()
	conn, err := d.Admin().Conn(t.Context())
	require.NoError(t, err)
	for _, q := range append([]string{"BEGIN"}, queries...) {
		_, err := conn.ExecContext(t.Context(), q)
		require.NoError(t, err)
	}
	return func() {
		_, err := conn.ExecContext(context.Background(), "ROLLBACK")
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
}

const (
	setRepeatableRead = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
	takeSnapshot      = "SELECT 1"
)

func waitForLockWaiter(t *testing.T, d *pgtest.Database) {
	t.Helper()
	fixture.Eventually(t, d, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'shiplock' AND wait_event_type = 'Lock'", "1")
}

// TestUp_KilledDuringIndexBuild_CorrectedFileDropsIndex covers a statement that was removed
// from the file, and whose index has no explicit name.
func TestUp_KilledDuringIndexBuild_CorrectedFileDropsIndex(t *testing.T) {
	t.Parallel()
	for want, before := range map[string]string{"2": "", "1,2": "INSERT INTO log VALUES (1);\n"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			o := newOptions(t, d, fixture.Files(t, resumeBase+before+"CREATE INDEX CONCURRENTLY ON users (email);\nINSERT INTO log VALUES (2);"))
			_, err := migrator.Up(t.Context(), newOptions(t, d, fixture.Files(t, strings.Split(resumeBase, "-- 2_x")[0])))
			require.NoError(t, err)
			release := holdLocks(t, d, "INSERT INTO users VALUES (3)")
			done := make(chan error, 1)
			go func() { _, err := migrator.Up(t.Context(), o); done <- err }()
			waitForLockWaiter(t, d)
			d.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'shiplock' AND datname = current_database()")
			require.Error(t, <-done)
			require.Equal(t, "users_email_idx", d.Value(t, invalid))
			release()
			overwriteFile(t, o, "2_x.up.sql", before+"INSERT INTO log VALUES (2);")
			_, err = migrator.Up(t.Context(), o)
			require.NoError(t, err)
			assert.Empty(t, d.Value(t, invalid))
			assert.Equal(t, want, d.Value(t, logged))
		})
	}
}

func TestUp_ConcurrentStatementFails_LeavesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ statement, state string }{
		"unique":          {"CREATE UNIQUE INDEX CONCURRENTLY users_email ON users (email)", ""},
		"no name":         {"CREATE UNIQUE INDEX CONCURRENTLY ON users (email)", ""},
		"timeout":         {"CREATE INDEX CONCURRENTLY users_email ON users (email)", "held"},
		"reindex table":   {"REINDEX (VERBOSE) TABLE CONCURRENTLY rooms", "held"},
		"reindex index":   {"REINDEX INDEX CONCURRENTLY users_id", "held"},
		"reindex schema":  {"REINDEX SCHEMA CONCURRENTLY hotel", "held"},
		"a valid one was": {"CREATE INDEX CONCURRENTLY users_id ON users (email)", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			o := newOptions(t, d, fixture.Files(t, resumeBase+c.statement))
			first := newOptions(t, d, fixture.Files(t, strings.Split(resumeBase, "-- 2_x")[0]))
			_, err := migrator.Up(t.Context(), first)
			require.NoError(t, err)
			d.Exec(t, "CREATE INDEX users_id ON users (id); CREATE TABLE rooms (id int PRIMARY KEY); CREATE SCHEMA hotel; CREATE TABLE hotel.beds (id int PRIMARY KEY);"+
				strings.ReplaceAll("ALTER TABLE rooms OWNER TO ME; ALTER SCHEMA hotel OWNER TO ME; ALTER TABLE hotel.beds OWNER TO ME", "ME", pq.QuoteIdentifier(d.User)))
			if c.state != "" {
				defer holdLocks(t, d, setRepeatableRead, takeSnapshot)()
				o.Postgres.StatementTimeout = time.Second
			}
			_, err = migrator.Up(t.Context(), o)
			var failed *migrationerror.Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, migrationerror.RolledBack, failed.Outcome, "%v", err)
			assert.Empty(t, failed.Leftovers)
			assert.Empty(t, d.Value(t, invalid))
			assert.Equal(t, "true", d.Value(t, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_id'::regclass"))
			assert.Equal(t, "1 f", d.Value(t, version))
		})
	}
}

// TestUp_ConcurrentStatementFails_ReportsLeftover checks that a leftover that cannot be
// dropped is reported, and that the next run drops it.
func TestUp_ConcurrentStatementFails_ReportsLeftover(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	o := newOptions(t, d, fixture.Files(t, resumeBase+"CREATE UNIQUE INDEX CONCURRENTLY users_email ON users (email);"))
	_, err := migrator.Up(t.Context(), newOptions(t, d, fixture.Files(t, strings.Split(resumeBase, "-- 2_x")[0])))
	require.NoError(t, err)
	release := holdLocks(t, d, "LOCK TABLE users IN ACCESS SHARE MODE")
	_, err = migrator.Up(t.Context(), o)
	var failed *migrationerror.Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, migrationerror.PartiallyApplied, failed.Outcome)
	assert.Equal(t, []resume.Leftover{{What: "INVALID index public.users_email", SQL: "DROP INDEX CONCURRENTLY public.users_email"}}, failed.Leftovers)
	assert.Equal(t, "2 t", d.Value(t, version))
	release()
	overwriteFile(t, o, "2_x.up.sql", "INSERT INTO log VALUES (1);")
	_, err = migrator.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Empty(t, d.Value(t, invalid))
	assert.Equal(t, "1", d.Value(t, logged))
}

// TestUp_CanceledDuringIndexBuild_LeavesNothing checks a run whose session ends with it.
func TestUp_CanceledDuringIndexBuild_LeavesNothing(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	o := newOptions(t, d, fixture.Files(t, resumeBase+"CREATE INDEX CONCURRENTLY users_email ON users (email);"))
	_, err := migrator.Up(t.Context(), newOptions(t, d, fixture.Files(t, strings.Split(resumeBase, "-- 2_x")[0])))
	require.NoError(t, err)
	release := holdLocks(t, d, setRepeatableRead, takeSnapshot)
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	done := make(chan error, 1)
	go func() { _, err := migrator.Up(ctx, o); done <- err }()
	waitForLockWaiter(t, d)
	stop(&interrupt.SignalError{Signal: syscall.SIGTERM})
	var stopped *interrupt.SignalError
	require.ErrorAs(t, <-done, &stopped)
	assert.Empty(t, d.Value(t, invalid))
	release()
	_, err = migrator.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, "true", d.Value(t, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_email'::regclass"))
}

func TestUp_DetachAndDropInterrupted_Completed(t *testing.T) {
	t.Parallel()
	const detached = "SELECT concat_ws(' ', (SELECT inhdetachpending FROM pg_inherits WHERE inhparent = 'p'::regclass), to_regclass('users_id'))"
	for name, c := range map[string]struct{ statement, pending, want string }{
		"detach": {"ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY", "t users_id", "users_id"},
		"drop":   {"DROP INDEX CONCURRENTLY users_id", "f users_id", "f"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			base := strings.Split(resumeBase, "-- 1_base.down")[0] +
				"CREATE TABLE p (a int) PARTITION BY RANGE (a);\nCREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (2);\nCREATE INDEX users_id ON users (id);\n"
			_, err := migrator.Up(t.Context(), newOptions(t, d, fixture.Files(t, base)))
			require.NoError(t, err)
			o := newOptions(t, d, fixture.Files(t, base+"-- 2_x.up.sql --\n"+c.statement+";\nINSERT INTO log VALUES (2);"))
			o.Postgres.StatementTimeout = time.Second
			release := holdLocks(t, d, "LOCK TABLE p, users IN ACCESS SHARE MODE")
			_, err = migrator.Up(t.Context(), o)
			var failed *migrationerror.Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, migrationerror.PartiallyApplied, failed.Outcome, "%v", err)
			require.Len(t, failed.Leftovers, 1)
			assert.Equal(t, c.pending, d.Value(t, detached))
			// an unknown outcome is determined, also after a kill
			d.Exec(t, "UPDATE schema_migrations_history SET run_outcome = 'running' WHERE migration_version = 2")
			release()
			_, err = migrator.Up(t.Context(), o)
			require.NoError(t, err)
			assert.Equal(t, c.want, d.Value(t, detached))
			assert.Equal(t, "2", d.Value(t, logged))
		})
	}
}

// TestUp_ReindexLeavesToastIndex_ReportsItAndContinues covers an index that only a superuser can drop.
func TestUp_ReindexLeavesToastIndex_ReportsItAndContinues(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	o := newOptions(t, d, fixture.Files(t, resumeBase+"REINDEX TABLE CONCURRENTLY users;\nINSERT INTO log VALUES (2);"))
	_, err := migrator.Up(t.Context(), newOptions(t, d, fixture.Files(t, strings.Split(resumeBase, "-- 2_x")[0])))
	require.NoError(t, err)
	release := holdLocks(t, d, setRepeatableRead, takeSnapshot)
	o.Postgres.StatementTimeout = time.Second
	_, err = migrator.Up(t.Context(), o)
	release()
	var failed *migrationerror.Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, migrationerror.PartiallyApplied, failed.Outcome)
	require.Len(t, failed.Leftovers, 1)
	assert.Contains(t, failed.Leftovers[0].SQL, "DROP INDEX CONCURRENTLY pg_toast.pg_toast_")
	_, err = migrator.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, "2", d.Value(t, logged))
}
