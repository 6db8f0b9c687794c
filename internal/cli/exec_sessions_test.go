package cli_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/test/fixture"
)

// lateStatement creates the table late when an advisory lock, which the test holds, is released.
const lateStatement = "DO $$ BEGIN PERFORM pg_advisory_xact_lock(77); CREATE TABLE late (a int); END $$"

// noConnectionCheck disables the check that cancels a statement whose client has disconnected.
const noConnectionCheck = "export PGOPTIONS='-c client_connection_check_interval=0'\n"

// holdLateStatement blocks lateStatement until the returned function is called.
func (b *toolFixture) holdLateStatement() (free func()) {
	b.t.Helper()
	conn, err := b.Admin().Conn(b.t.Context())
	require.NoError(b.t, err)
	_, err = conn.ExecContext(b.t.Context(), "SELECT pg_advisory_lock(77)")
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = conn.Close() })
	return func() {
		_, err := conn.ExecContext(b.t.Context(), "SELECT pg_advisory_unlock(77)")
		require.NoError(b.t, err)
	}
}

// waitForLateStatements waits until n sessions are blocked in lateStatement.
func (b *toolFixture) waitForLateStatements(n string) {
	b.t.Helper()
	fixture.Eventually(b.t, b, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'", n)
}

func (b *toolFixture) lateTableExists() string {
	b.t.Helper()
	return b.Value(b.t, "SELECT to_regclass('late') IS NOT NULL")
}

// stopDuringLateStatement sends SIGTERM while the tool's statement runs.
func (b *toolFixture) stopDuringLateStatement(flags ...string) (int, string) {
	b.t.Helper()
	ctx, cancel := context.WithCancelCause(b.t.Context())
	stderr, done := background(ctx, b.args(flags...)...)
	b.waitForLateStatements("1")
	cancel(&interrupt.SignalError{Signal: syscall.SIGTERM})
	return <-done, stderr.String()
}

func TestExec_StatementOutlivesTool_Canceled(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"psql":                 "sql '" + lateStatement + "'",
		"own application name": "psql -qX '%s&application_name=mine' -c '" + lateStatement + "'",
		"name in PGAPPNAME":    "PGAPPNAME=mine sql '" + lateStatement + "'",
		"no connection check":  noConnectionCheck + "sql '" + lateStatement + "'",
		"ignores the signal":   "trap '' TERM; sql '" + lateStatement + "'",
		"new process session":  "setsid sh -c \"psql -qX '%s' -c '" + strings.ReplaceAll(lateStatement, "$$", `\$\$`) + "'\" & wait",
		"open transaction":     "psql -qX '%s' -c BEGIN -c 'CREATE TABLE other (a int)' -c '" + lateStatement + "'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newToolFixture(t, "")
			b.script(strings.ReplaceAll(script, "%s", b.URL()))
			b.Exec(t, "CREATE TABLE a (b int)")
			free := b.holdLateStatement()
			code, stderr := b.stopDuringLateStatement("--grace", "2s")
			free()
			assert.Equal(t, 143, code, stderr)
			assert.Contains(t, stderr, "the schema is unchanged")
			assert.Equal(t, "0", b.Value(t, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%late (a int)%' AND state = 'active' AND pid <> pg_backend_pid()"))
			assert.Equal(t, "false", b.lateTableExists())
		})
	}
}

func TestExec_TimeoutWhileStatementRuns_Canceled(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "")
	b.script(noConnectionCheck + "exec psql -qX '" + b.URL() + "' -c '" + lateStatement + "'")
	b.Exec(t, "CREATE TABLE a (b int)")
	free := b.holdLateStatement()
	out := b.run("--timeout", "8s")
	assert.Equal(t, 124, out.code, out.err)
	b.golden("exec-statement-canceled", maskRun(out.err))
	free()
	assert.Equal(t, "false", b.lateTableExists())
}

// maskRun replaces the part of an application_name that differs between runs.
func maskRun(s string) string { return execName.ReplaceAllString(s, "shiplock-exec-RUN") }

// TestExec_SessionOfAnotherClient_NotTerminated opens a session with the same role and from the same
// address while the tool runs. exec must report that session and not terminate it.
func TestExec_SessionOfAnotherClient_NotTerminated(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "touch ready; while :; do sleep 0.05; done")
	b.Exec(t, "CREATE TABLE a (b int)")
	ctx, cancel := context.WithCancelCause(t.Context())
	stderr, done := background(ctx, b.args("--session-grace", "3s")...)
	b.waitForFile("ready")
	app := b.Open(t)
	busy, err := app.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = busy.ExecContext(t.Context(), "CREATE TABLE orders (a int)")
	require.NoError(t, err)
	cancel(&interrupt.SignalError{Signal: syscall.SIGTERM})
	assert.Equal(t, 7, <-done, stderr)
	b.golden("exec-session-remains", maskRun(stderr.String()))
	require.NoError(t, busy.Commit(), "the session must not be terminated")
}

func TestExec_IdleSessionOfAnotherClient_NotReported(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "touch ready; while :; do sleep 0.05; done")
	ctx, cancel := context.WithCancelCause(t.Context())
	stderr, done := background(ctx, b.args()...)
	b.waitForFile("ready")
	app, err := b.Open(t).Conn(t.Context())
	require.NoError(t, err)
	cancel(&interrupt.SignalError{Signal: syscall.SIGTERM})
	assert.Equal(t, 143, <-done, stderr)
	assert.NotContains(t, stderr.String(), "sessions  ")
	require.NoError(t, app.PingContext(t.Context()))
}

func TestExec_SucceedsWithStatementStillRunning_Fails(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "")
	b.script(noConnectionCheck + "sql '" + lateStatement + "' & while ! [ \"$(psql -qXAt '" + b.URL() + "' -c \"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'\")\" = 1 ]; do sleep 0.05; done; exit 0")
	b.Exec(t, "CREATE TABLE a (b int)")
	free := b.holdLateStatement()
	out := b.run()
	free()
	assert.Equal(t, 6, out.code, out.err)
	b.golden("exec-unfinished-statement", maskRun(out.err))
	assert.Equal(t, "false", b.lateTableExists())
	assert.Equal(t, "failed|0|exit code 0|t", b.execHistory())
}

// TestExec_EarlierRunStillActive_Waits covers a statement that continues after the migrator and its tool
// were killed.
func TestExec_EarlierRunStillActive_Waits(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "cat PGAPPNAME 2>/dev/null || true; printenv PGAPPNAME > name")
	b.Exec(t, "CREATE TABLE a (b int)")
	require.Zero(t, b.run().code)
	free := b.holdLateStatement()
	db := b.Open(t)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	name := strings.TrimSpace(readFile(t, b.dir+"/name"))
	assert.Regexp(t, `^shiplock-exec-[0-9a-f]{8}-[0-9a-f]{8}$`, name)
	_, err = conn.ExecContext(t.Context(), fmt.Sprintf("SET application_name = '%s'", name))
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { _, err := conn.ExecContext(context.WithoutCancel(t.Context()), lateStatement); ended <- err }()
	b.waitForLateStatements("1")
	b.script("touch ran")
	out := b.run("--lock-wait", "1s")
	assert.Equal(t, 4, out.code, out.err)
	b.golden("exec-earlier-run", maskRun(out.err))
	stderr, done := background(t.Context(), b.args()...)
	stderr.Wait(t, "waiting for sessions of an earlier run", "sessions", "")
	free()
	require.NoError(t, <-ended)
	assert.Zero(t, <-done, stderr)
}

// TestExec_KilledRunWithoutApplicationName_WaitsAndRuns uses a session without the run's application
// name, which may belong to another client. The next run must not wait for it forever.
func TestExec_KilledRunWithoutApplicationName_WaitsAndRuns(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "touch ran")
	b.Exec(t, "CREATE TABLE a (b int)")
	require.Zero(t, b.run().code)
	b.Exec(t, "UPDATE schema_migrations_exec_history SET run_outcome = 'running', run_exit_code = NULL, run_exit = NULL")
	free := b.holdLateStatement()
	ended := make(chan error, 1)
	db := b.Open(t)
	go func() { _, err := db.ExecContext(context.WithoutCancel(t.Context()), lateStatement); ended <- err }()
	b.waitForLateStatements("1")
	stderr, done := background(t.Context(), b.args("--session-grace", "1m")...)
	stderr.Wait(t, "waiting for possible sessions of a killed run", "sessions", "")
	free()
	require.NoError(t, <-ended)
	assert.Zero(t, <-done, stderr)
	assert.NotContains(t, stderr.String(), "running the tool despite")
}

func TestExec_PreparedTransactionLeft_Reported(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "")
	b.Database = b.OwnServer(t, "max_prepared_transactions = 4")
	b.script("psql -qX -v ON_ERROR_STOP=1 '" + b.URL() + "' -c BEGIN -c 'CREATE TABLE p (a int)' -c \"PREPARE TRANSACTION '" + b.Name + "'\"")
	b.Exec(t, "CREATE TABLE a (b int)")
	out := b.run("--session-grace", "1s")
	assert.Equal(t, 7, out.code, out.err)
	b.golden("exec-prepared", maskRun(out.err))
}

// TestExec_StatementOutlivesToolBehindPooler_Waits runs behind a pooler, where the server cannot
// distinguish the clients, so exec must not cancel any session.
func TestExec_StatementOutlivesToolBehindPooler_Waits(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := newToolFixture(t, "")
			b.Exec(t, "CREATE TABLE a (b int)")
			pooled := b.Pooled(t, mode, "default_pool_size=5").URL()
			b.script("psql -qX '" + pooled + "' -c '" + lateStatement + "'")
			free := b.holdLateStatement()
			ctx, cancel := context.WithCancelCause(t.Context())
			stderr, done := background(ctx, append([]string{"exec", "--database-url", pooled}, b.args()[3:]...)...)
			b.waitForLateStatements("1")
			cancel(&interrupt.SignalError{Signal: syscall.SIGTERM})
			stderr.Wait(t, "tool exited, waiting for its database sessions", "sessions", "")
			free()
			code := <-done
			assert.Equal(t, 143, code, stderr)
			assert.Contains(t, stderr.String(), "added table public.late")
		})
	}
}

var execName = regexp.MustCompile(`shiplock-exec-[0-9a-f]+-[0-9a-f]+`)

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
