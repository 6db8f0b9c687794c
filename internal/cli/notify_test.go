package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// A receiver receives webhooks and metrics.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	in := &receiver{}
	in.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		in.mu.Lock()
		defer in.mu.Unlock()
		in.bodies = append(in.bodies, r.URL.Path+"\n"+string(body))
	}))
	t.Cleanup(in.Close)
	return in
}

// take returns the requests received since the last call.
func (in *receiver) take() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	out := in.bodies
	in.bodies = nil
	return out
}

// message returns the only webhook received.
func (in *receiver) message(t *testing.T) notify.Message {
	t.Helper()
	bodies := in.take()
	require.Len(t, bodies, 1)
	var m notify.Message
	_, body, _ := strings.Cut(bodies[0], "\n")
	require.NoError(t, json.Unmarshal([]byte(body), &m), body)
	return m
}

// reportIn returns the report in standard error.
func reportIn(t *testing.T, stderr string) string {
	t.Helper()
	_, report, found := strings.Cut("\n"+stderr, "\nshiplock: ")
	require.True(t, found, stderr)
	report, _, logged := strings.Cut("shiplock: "+report, "\ntime=")
	if logged {
		report += "\n"
	}
	return report
}

func TestNotify_Failure_SameReportOnEveryChannel(t *testing.T) {
	t.Parallel()
	in, file, d := newReceiver(t), filepath.Join(t.TempDir(), "termination-log"), pgtest.New(t)
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT 1", "2_b.up.sql": "SELECT 2;\n\n  SELEC 3;\n", "3_c.up.sql": "SELECT 4"})
	run := func(args ...string) outcome {
		return call(t.Context(), append(args, "--source", dir, "--database-url", d.URL(), "--webhook-url", in.URL+"/hook", "--termination-log", file)...)
	}
	out := run("up", "--log-level", "debug")
	assert.Equal(t, 6, out.code)
	assert.Len(t, out.records("notification sent", "level", "DEBUG", "to", "termination message"), 1)
	assert.Len(t, out.records("notification sent", "level", "DEBUG", "to", "webhook 127.0.0.1:"), 1)
	m := in.message(t)
	report := reportIn(t, out.err)
	assert.Equal(t, report, m.Report)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, report, string(text))
	assert.True(t, strings.HasPrefix(report, "shiplock: "+m.Title+"\n"))
	assert.Equal(t, []any{notify.SchemaVersion, "up", "failed", 6}, []any{m.Schema, m.Command, m.Outcome, m.ExitCode})
	assert.Equal(t, []int{-1, 1, 1, 2}, []int{*m.VersionFrom, *m.VersionTo, *m.Applied, *m.Pending})
	assert.Equal(t, notify.Position{File: "2_b.up.sql", Line: 3, Column: 3}, *m.Position)
	assert.Contains(t, m.Database, "/"+d.Name)
	assert.NotContains(t, m.Database, d.Password)
	assert.InDelta(t, m.Ended.Sub(m.Started).Seconds(), m.Seconds, 0.001)
	assert.NotEmpty(t, m.ID)

	// in a JSON log the report is one record
	out = run("up", "--log-format", "json")
	var record map[string]any
	for line := range strings.Lines(out.err) {
		record = map[string]any{}
		require.NoError(t, json.Unmarshal([]byte(line), &record), line)
	}
	assert.Equal(t, in.message(t).Title, record["msg"])
	assert.Equal(t, "ERROR", record["level"])
	assert.InDelta(t, 6, record["code"], 0)
	for _, row := range []string{"migration", "statement", "postgres", "state", "next"} {
		assert.NotEmpty(t, record[row], row)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "2_b.up.sql"), []byte("SELECT 2"), 0o600))

	out = run("up", "--notify-success")
	require.Zero(t, out.code, out.err)
	m = in.message(t)
	assert.Equal(t, []int{1, 3, 2, 0}, []int{*m.VersionFrom, *m.VersionTo, *m.Applied, *m.Pending})
	assert.Equal(t, "succeeded", m.Outcome)
	assert.Equal(t, reportIn(t, out.err), m.Report)
	assert.Equal(t, 2, strings.Count(m.Report, "\n"), "two lines: %s", m.Report)

	out = run("up", "--notify-success")
	require.Zero(t, out.code, out.err)
	assert.Empty(t, in.take(), "nothing changed")
	assert.NotContains(t, out.err, "shiplock: ")
	text, err = os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(text), "nothing to do")
}

// TestNotify_EachCommand_OutcomeSent covers successes and failures.
func TestNotify_EachCommand_OutcomeSent(t *testing.T) {
	t.Parallel()
	in, d := newReceiver(t), pgtest.New(t)
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT 1", "1_a.down.sql": "SELECT 1"})
	where := []string{"--database-url", d.URL(), "--webhook-url", in.URL, "--notify-success"}
	run := func(args ...string) outcome {
		return call(t.Context(), append([]string{args[0]}, append(where, args[1:]...)...)...)
	}
	require.Zero(t, run("up", "--source", dir).code)
	assert.Equal(t, "up", in.message(t).Command)

	out := run("wait", "--version", "7", "--timeout", "1ms")
	assert.Contains(t, []int{3, 124}, out.code)
	assert.Equal(t, "wait", in.message(t).Command, "a failed wait stops a release")
	require.Zero(t, run("wait", "--source", dir).code)
	assert.Empty(t, in.take(), "a successful wait changes nothing")

	require.Zero(t, run("down", "--source", dir, "--to", "0").code)
	m := in.message(t)
	assert.Equal(t, []int{1, -1, 1}, []int{*m.VersionFrom, *m.VersionTo, *m.Applied})
	assert.Nil(t, m.Pending)

	require.Zero(t, run("exec", "--", "true").code)
	m = in.message(t)
	assert.Contains(t, m.Title, "true succeeded")
	assert.Nil(t, m.VersionTo)
	assert.Equal(t, 6, run("exec", "--", "false").code)
	assert.Equal(t, "failed", in.message(t).Outcome)

	assert.Equal(t, 5, run("repair", "--applied", "--source", dir).code)
	assert.Equal(t, "refused", in.message(t).Outcome)

	require.Zero(t, run("up", "--help").code)
	assert.Empty(t, in.take(), "help sends no notification")
}

func TestNotify_Repair_OutcomeSent(t *testing.T) {
	t.Parallel()
	in, d := newReceiver(t), pgtest.New(t)
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int);\nCREATE INDEX CONCURRENTLY i ON a (b);\nCREATE INDEX CONCURRENTLY j ON a (nope);"})
	run := func(args ...string) outcome {
		return call(t.Context(), append(args, "--source", dir, "--database-url", d.URL(), "--webhook-url", in.URL, "--notify-success")...)
	}
	require.Equal(t, 7, run("up").code)
	assert.Equal(t, "partially-applied", in.message(t).Outcome)
	require.Zero(t, run("repair", "--applied").code)
	m := in.message(t)
	assert.True(t, strings.HasPrefix(m.Title, "repaired: "), m.Title)
	assert.Equal(t, 2, strings.Count(m.Report, "\n"))
}

// TestNotify_UsageError_OutcomeSent covers invalid settings, the most common failure of a first release.
func TestNotify_UsageError_OutcomeSent(t *testing.T) {
	in := newReceiver(t)
	file := filepath.Join(t.TempDir(), "termination-log")
	t.Setenv("SHIPLOCK_WEBHOOK_URL", in.URL+"/T0MARKED")
	t.Setenv("SHIPLOCK_TERMINATION_LOG", file)
	for name, args := range map[string][]string{
		"no database":       {"up"},
		"flag value":        {"up", "--timeout", "soon"},
		"unknown flag":      {"up", "--nope"},
		"argument":          {"up", "now"},
		"invalid choice":    {"up", "--database-url", "postgres://h/d", "--on-newer", "no"},
		"log format":        {"up", "--database-url", "postgres://h/d", "--log-format", "xml"},
		"missing directory": {"up", "--database-url", "postgres://h/d", "--source", "/gone"},
		"webhook format":    {"up", "--database-url", "postgres://h/d", "--webhook-format", "xml"},
		"missing command":   {"exec", "--", "no-such-command"},
		"invalid URL":       {"wait", "--database-url", "nonsense"},
	} {
		out := call(t.Context(), args...)
		assert.Equal(t, 2, out.code, name)
		text, err := os.ReadFile(file)
		require.NoError(t, err, name)
		assert.Contains(t, out.err, string(text), name)
		require.NoError(t, os.Remove(file))
		if name == "webhook format" { // no webhook without a valid format
			assert.Empty(t, in.take())
			continue
		}
		assert.Equal(t, "misconfigured", in.message(t).Outcome, name)
	}
}

// TestNotify_MissingSecret_KeyReported checks that the report names the missing key and not its
// consequences.
func TestNotify_MissingSecret_KeyReported(t *testing.T) {
	t.Setenv("SHIPLOCK_REQUIRED_ENV", "SHIPLOCK_WEBHOOK_URL=hooks/url SHIPLOCK_WEBHOOK_TOKEN=hooks/token")
	t.Setenv("SHIPLOCK_WEBHOOK_TOKEN", "marked-token")
	out := call(t.Context(), "up", "--database-url", "postgres://h/d")
	assert.Equal(t, 2, out.code)
	assert.Contains(t, out.err, `key "url" of Secret "hooks" (for SHIPLOCK_WEBHOOK_URL)`)
}

// TestNotify_SidecarShutdown_SentBefore checks the order: without the sidecar there is no network.
func TestNotify_SidecarShutdown_SentBefore(t *testing.T) {
	t.Parallel()
	in := newReceiver(t)
	call(t.Context(), "up", "--source", fixture.FileMap(t, map[string]string{"1_x.up.sql": "SELEC 1"}), "--database-url", pgtest.New(t).URL(),
		"--webhook-url", in.URL+"/hook", "--sidecar-shutdown-url", in.URL+"/quitquitquit")
	bodies := in.take()
	require.Len(t, bodies, 2)
	assert.True(t, strings.HasPrefix(bodies[0], "/hook\n"), bodies[0])
	assert.Equal(t, "/quitquitquit\n", bodies[1])
}

// TestNotify_ChannelFails_ExitCodeUnchanged makes each channel fail in a different way, all in one run.
func TestNotify_ChannelFails_ExitCodeUnchanged(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	refuses := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refuses.Close)
	good, bad := map[string]string{"1_x.up.sql": "SELECT 1"}, map[string]string{"1_x.up.sql": "SELEC 1"}
	for name, c := range map[string]struct {
		files map[string]string
		code  int
	}{"success": {good, 0}, "failure": {bad, 6}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			start := time.Now()
			out := call(t.Context(), "up", "--source", fixture.FileMap(t, c.files), "--database-url", d.URL(), "--notify-success", "--notify-timeout", "10s",
				"--webhook-url", gone.URL+"/T0MARKED", "--webhook-token", "marked-token", "--pushgateway-url", refuses.URL, "--termination-log", "/gone/termination-log")
			assert.Equal(t, c.code, out.code, out.err)
			assert.Less(t, time.Since(start), 2*time.Minute)
			assert.Len(t, out.records("notification failed", "level", "WARN"), 3, out.err)
			for _, cause := range [][]string{{"webhook 127.0.0.1:", "connection refused"}, {"Pushgateway 127.0.0.1:", "404 Not Found"}, {"termination message: open /gone/termination-log"}} {
				for _, part := range cause {
					assert.Len(t, out.records("notification failed", "error", part), 1, part)
				}
			}
			assert.NotContains(t, strings.ToLower(out.err), "marked")
			assert.Less(t, strings.Index(out.err, "shiplock: "), strings.Index(out.err, "notification failed"), "the report comes before the warnings")
		})
	}
}

// TestNotify_Secrets_NotPassedToTool checks the environment of the tool, and that the report masks the
// secrets if the tool prints them.
func TestNotify_Secrets_NotPassedToTool(t *testing.T) {
	in := newReceiver(t)
	url := in.URL + "/services/T0MARKED"
	t.Setenv("SHIPLOCK_WEBHOOK_URL", url)
	t.Setenv("SHIPLOCK_WEBHOOK_TOKEN", "marked-token")
	refuses := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refuses.Close)
	t.Setenv("SHIPLOCK_PUSHGATEWAY_URL", strings.Replace(refuses.URL, "http://", "http://push:marked-password@", 1))
	d := pgtest.New(t)
	out := call(t.Context(), "exec", "--database-url", d.URL(), "--", "sh", "-c", "env; exit 1")
	assert.Equal(t, 6, out.code)
	assert.NotContains(t, strings.ToLower(out.stdout+out.err), "marked")
	assert.NotContains(t, out.stdout, "SHIPLOCK_")
	require.Len(t, in.take(), 1)

	d.Exec(t, fmt.Sprintf("CREATE TABLE a (b int); ALTER TABLE a OWNER TO %q", d.User)) // exec creates no history table in an empty schema
	out = call(t.Context(), "exec", "--database-url", d.URL(), "--", "sh", "-c", "echo T0MARKED marked-token >&2; exit 1", url)
	report := reportIn(t, out.err)
	assert.NotContains(t, strings.ToLower(report), "marked")
	assert.Contains(t, report, "xxxxx xxxxx")
	assert.NotContains(t, strings.ReplaceAll(strings.Join(in.take(), ""), "/services/T0MARKED\n", ""), "MARKED")
	assert.NotContains(t, strings.ToLower(d.Value(t, "SELECT string_agg(e::text, '') FROM schema_migrations_exec_history e")), "marked")
}

// TestGitHubActions_Failure_AnnotatedAndSummarized also checks that workflow commands in other output are
// escaped.
func TestGitHubActions_Failure_AnnotatedAndSummarized(t *testing.T) {
	githubDir := t.TempDir()
	summary := filepath.Join(githubDir, "summary.md")
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_WORKSPACE", githubDir)
	t.Setenv("GITHUB_STEP_SUMMARY", summary)
	dir := filepath.Join(githubDir, "db")
	require.NoError(t, os.Mkdir(dir, 0o700))
	forged := "DO $$ BEGIN\n  RAISE WARNING '##[error]forged';\n  RAISE EXCEPTION E'no\\n::error::forged\\r::stop-commands::x ##[warning]forged';\nEND $$;\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "1_x.up.sql"), []byte(forged), 0o600))
	d := pgtest.New(t)
	out := call(t.Context(), "up", "--source", dir, "--database-url", d.URL())
	assert.Equal(t, 6, out.code)
	var commands []string
	for _, line := range strings.FieldsFunc(out.err, func(r rune) bool { return r == '\n' || r == '\r' }) {
		assert.True(t, strings.HasPrefix(line, "::error ") || !strings.Contains(line, "##["), line)
		if strings.HasPrefix(strings.TrimSpace(line), "::") {
			commands = append(commands, line)
		}
	}
	var errors []string
	for _, c := range commands {
		if !strings.HasPrefix(c, "::warning ") {
			errors = append(errors, c)
		}
	}
	require.Len(t, errors, 1, out.err)
	assert.True(t, strings.HasPrefix(errors[0], "::error file=db/1_x.up.sql,line=3,col=3,title=migration 1_x.up.sql failed and was rolled back; "), errors[0])
	text, err := os.ReadFile(summary)
	require.NoError(t, err)
	assert.Contains(t, string(text), "### Database migrations: failed\n\n```text\nshiplock: migration 1_x.up.sql failed")

	// workflow commands in the output of a tool are escaped
	out = call(t.Context(), "exec", "--database-url", d.URL(), "--", "sh", "-c", "printf '  ::error::forged\\n::add-mask::hidden\\nlast line'; printf '::warning::forged' >&2")
	require.Zero(t, out.code, out.err)
	assert.Equal(t, "  : :error::forged\n::add-mask::hidden\nlast line", out.stdout)
	assert.NotRegexp(t, `(?m)^\s*::warning::`, out.err)
}
