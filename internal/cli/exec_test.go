package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/status"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// A toolFixture is a database and a directory with an external tool, a shell script that can call
// "sql STATEMENT" and "wait_for FILE".
type toolFixture struct {
	*pgtest.Database
	t   *testing.T
	dir string
}

func newToolFixture(t *testing.T, script string) *toolFixture {
	t.Helper()
	dir, err := os.MkdirTemp("", "") // the name of t.TempDir is too long for a title
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	b := &toolFixture{Database: pgtest.New(t), t: t, dir: dir}
	b.script(script)
	return b
}

func (b *toolFixture) script(text string) {
	b.t.Helper()
	prelude := fmt.Sprintf("set -eu\ncd %s\nsql() { psql -qX -v ON_ERROR_STOP=1 '%s' -c \"$1\"; }\nwait_for() { while ! [ -e \"$1\" ]; do sleep 0.02; done; }\n", b.dir, b.URL())
	require.NoError(b.t, os.WriteFile(filepath.Join(b.dir, "tool.sh"), []byte(prelude+text), 0o600))
}

func (b *toolFixture) args(flags ...string) []string {
	args := append([]string{"exec", "--database-url", b.URL()}, flags...)
	return append(args, "--", "sh", filepath.Join(b.dir, "tool.sh"))
}

func (b *toolFixture) run(flags ...string) outcome { return call(b.t.Context(), b.args(flags...)...) }

func (b *toolFixture) golden(name, stderr string) {
	b.t.Helper()
	golden(b.t, name, strings.ReplaceAll(stderr, b.dir, "DIR"))
}

func (b *toolFixture) touch(name string) {
	b.t.Helper()
	require.NoError(b.t, os.WriteFile(filepath.Join(b.dir, name), nil, 0o600))
}

func (b *toolFixture) waitForFile(name string) {
	b.t.Helper()
	fixture.WaitForFile(b.t, filepath.Join(b.dir, name))
}

func (b *toolFixture) execHistory() string {
	b.t.Helper()
	return b.Value(b.t, `SELECT string_agg(concat_ws('|', run_outcome, run_exit_code, run_exit, schema_changes, schema_before = schema_after), E'\n' ORDER BY run_id) FROM schema_migrations_exec_history`)
}

func TestExec_Success_RecordedInHistory(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "echo to stdout; echo to stderr >&2; sql 'CREATE TABLE a (b int)'")
	out := b.run()
	require.Zero(t, out.code, out.err)
	assert.Equal(t, "to stdout\n", out.stdout)
	assert.Contains(t, out.err, "\nto stderr\n")
	assert.Regexp(t, `external tool succeeded.*schema_changes=1`, out.err)
	assert.Equal(t, "succeeded|0|exit code 0|added table public.a|f", b.execHistory(), "no history table is created in an empty schema before the tool runs")

	b.script("sql 'INSERT INTO a VALUES (1)'")
	require.Zero(t, b.run().code)
	assert.Regexp(t, `\nsucceeded\|0\|exit code 0\|t$`, b.execHistory(), "rows are not compared")

	out = call(t.Context(), "status", "--source", b.dir, "--database-url", b.URL())
	require.Zero(t, out.code, out.err)
	assert.Regexp(t, `(?s)tool +sh /\S+/tool.sh\nlast run +succeeded \(exit code 0\), took .*, 20\d\d-.*, by test \d+ owner, 0 schema changes\n$`, out.stdout)
	out = call(t.Context(), "status", "-o", "json", "--source", fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT 1"}), "--database-url", b.URL())
	var st status.Status
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &st))
	assert.Equal(t, "succeeded", st.Tool.Outcome)
	assert.Len(t, st.Pending, 1)
}

func TestExec_Failure_ReportMatchesGolden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, script string
		code         int
		flags        []string
		history      string
	}{
		{name: "exec-schema-unchanged", code: 6, script: "echo applying 0002; sql 'BEGIN; CREATE TABLE c (d int); SELECT nope'",
			history: "failed|1|exit code 1|t"},
		{name: "exec-changed", code: 7, script: "sql 'CREATE TABLE c (d int)'; sql 'ALTER TABLE a ADD e int; DROP INDEX i'; printf '\\033[31mno more\\033[0m\\n' >&2; exit 12",
			history: "failed|12|exit code 12|added column public.a.e\nadded table public.c\nremoved index public.i|f"},
		{name: "exec-out-of-memory", code: 6, script: "kill -9 $$", history: "failed|SIGKILL|t"},
		{name: "exec-out-of-memory-in-a-shell", code: 6, script: "sh -c 'kill -9 $$'", history: "failed|137|exit code 137|t"},
		{name: "exec-timeout", code: 124, script: "sleep 60", flags: []string{"--timeout", "5s"}, history: "stopped|SIGTERM|t"},
		{name: "exec-ignores-sigterm", code: 124, script: "trap '' TERM; while :; do sleep 0.05; done", flags: []string{"--timeout", "5s", "--grace", "200ms"},
			history: "stopped|SIGKILL|t"},
		{name: "exec-exits-zero-on-sigterm", code: 124, script: "trap 'sql \"CREATE TABLE c (d int)\"; exit 0' TERM; while :; do :; done", flags: []string{"--timeout", "5s"},
			history: "stopped|0|exit code 0|added table public.c|f"},
		{name: "exec-secrets", code: 6, script: "echo \"cannot connect to postgres://app:marked-secret@db/x with password='marked-secret'\"; exit 1",
			history: "failed|1|exit code 1|t"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newToolFixture(t, c.script)
			b.Exec(t, fmt.Sprintf("CREATE TABLE a (b int); CREATE INDEX i ON a (b); ALTER TABLE a OWNER TO %q", b.User))
			out := b.run(c.flags...)
			assert.Equal(t, c.code, out.code, out.err)
			b.golden(c.name, out.err)
			assert.Equal(t, c.history, b.execHistory())
			_, report, _ := strings.Cut(out.err, "\nshiplock: ")
			assert.NotContains(t, report, "secret@")
			assert.NotContains(t, report, "'marked-secret'")
			assert.NotContains(t, out.err, "s3cret")
			assert.NotContains(t, report, "\x1b")
		})
	}
}

func TestExec_Signal_ForwardedToTool(t *testing.T) {
	t.Parallel()
	// A shell in the background starts its jobs with SIGINT ignored, and a process that inherits that cannot
	// trap it. The migrator handles SIGINT, so its tools inherit the default.
	taken := make(chan os.Signal, 1)
	signal.Notify(taken, syscall.SIGINT)
	defer signal.Stop(taken)
	for sig, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		b := newToolFixture(t, "trap 'echo got INT; exit 1' INT; trap 'echo got TERM; exit 1' TERM; touch ready; while :; do sleep 0.05; done")
		ctx, cancel := context.WithCancelCause(t.Context())
		stderr, done := background(ctx, b.args()...)
		b.waitForFile("ready")
		cancel(&interrupt.SignalError{Signal: sig})
		assert.Equal(t, code, <-done)
		_, report, _ := strings.Cut(stderr.String(), "\nshiplock: ")
		assert.Contains(t, report, map[syscall.Signal]string{syscall.SIGTERM: "got TERM", syscall.SIGINT: "got INT"}[sig])
		assert.Regexp(t, `exit +exit code 1 after `, report)
	}
}

func TestExec_LockLost_ToolTerminated(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "touch ready; sleep 60")
	stderr, done := background(t.Context(), b.args()...)
	b.waitForFile("ready")
	const holder = " FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	b.Exec(t, "SELECT pg_terminate_backend(pid)"+holder)
	assert.Equal(t, 3, <-done, stderr)
	b.golden("exec-lock-lost", stderr.String())
}

// TestExec_ToolFailsAsLockIsLost_LockLossReported covers a tool that fails on a lost connection before
// the migrator notices the loss.
func TestExec_ToolFailsAsLockIsLost_LockLossReported(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "sql \"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())\"; echo 'connection lost'; exit 1")
	out := b.run()
	assert.Equal(t, 3, out.code, out.err)
	assert.Contains(t, out.err, "the lock was lost") // as the reason why the tool failed, or why it was terminated if the loss was noticed first
}

func TestExec_Concurrent_OneRunsAtATime(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "touch ready; wait_for go; sql 'INSERT INTO log SELECT count(*) FROM log'")
	b.Exec(t, "CREATE TABLE log (n int); GRANT ALL ON log TO PUBLIC")
	_, first := background(t.Context(), b.args()...)
	b.waitForFile("ready")
	out := b.run("--lock-wait", "3s")
	assert.Equal(t, 4, out.code, out.err)
	// The other run's last query depends on timing.
	b.golden("exec-locked", regexp.MustCompile(`(?s)query ".*?"`).ReplaceAllString(out.err, `query "…"`))
	_, second := background(t.Context(), b.args()...)
	b.touch("go")
	assert.Zero(t, <-first)
	assert.Zero(t, <-second)
	assert.Equal(t, "0,1", b.Value(t, "SELECT string_agg(n::text, ',' ORDER BY n) FROM log"))
}

func TestExec_InvalidCommand_RefusedBeforeConnecting(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("\x7fno program"), 0o700))
	d := pgtest.New(t)
	for want, args := range map[string][]string{
		"exec requires a command":    {"--"},
		"not found in $PATH":         {"--", "no-such-tool"},
		"no such file":               {"--", "/nowhere/tool"},
		"--grace is -1s":             {"--grace", "-1s", "--", "true"},
		"add a first line such as":   {"--database-url", d.URL(), "--", script},
		"unknown flag: --source":     {"--source", "x", "--", "true"},
		"no database given":          {"--", "true"},
		"cannot connect to database": nil,
	} {
		code := 2
		if args == nil {
			args, code = []string{"--database-url", "postgres://u@127.0.0.1:1/d", "--wait-for-db", "0s", "true", "--version"}, 3
		}
		out := call(t.Context(), append([]string{"exec"}, args...)...)
		assert.Equal(t, code, out.code, out.err)
		assert.Contains(t, out.err, want)
	}
}

// TestExec_UpInsideTool_NotBlocked covers a tool that runs migrator up or golang-migrate, which take the
// lock for migrations.
func TestExec_UpInsideTool_NotBlocked(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "touch ready; wait_for go")
	stderr, done := background(t.Context(), b.args()...)
	b.waitForFile("ready")
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)"})
	out := call(t.Context(), "up", "--source", dir, "--database-url", b.URL(), "--lock-wait", "0s")
	assert.Zero(t, out.code, out.err)
	b.touch("go")
	assert.Zero(t, <-done, stderr)
	assert.Equal(t, "succeeded|0|exit code 0|added table public.a\nadded table public.schema_migrations|f", b.execHistory())
}

// TestExec_BehindPooler_LockHeld covers poolers in transaction mode, where exec holds the lock in an open
// transaction.
func TestExec_BehindPooler_LockHeld(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"session", "transaction"} {
		b := newToolFixture(t, "touch ready; wait_for go; sql 'CREATE TABLE log AS SELECT 1 AS n'; sql 'CREATE INDEX CONCURRENTLY i ON log (n)'")
		url := b.Pooled(t, mode, "default_pool_size=5").URL()
		args := append([]string{"exec", "--database-url", url}, b.args()[3:]...)
		stderr, done := background(t.Context(), args...)
		b.waitForFile("ready")
		out := call(t.Context(), append([]string{"exec", "--database-url", url, "--lock-wait", "2s"}, b.args()[3:]...)...)
		assert.Equal(t, 4, out.code, out.err)
		if mode == "transaction" { // with a snapshot, the check of the lock would make CREATE INDEX CONCURRENTLY wait for the lock's transaction
			const lastQuery = "SELECT coalesce(string_agg(query, ' '), '') FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
			require.Eventually(t, func() bool { return b.Value(t, lastQuery) == ";" }, 5*time.Minute, 50*time.Millisecond)
		}
		b.touch("go")
		assert.Zero(t, <-done, stderr)
		assert.Equal(t, "succeeded|0|exit code 0|added table public.log|f", b.execHistory())
	}
}
