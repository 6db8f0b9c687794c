package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/terminal"
)

// newSlowIndexDatabase returns a database in which "CREATE INDEX ON a (slow(n))" takes a few seconds,
// and stops halfway until release is called.
func newSlowIndexDatabase(t *testing.T) (d *pgtest.Database, release func()) {
	t.Helper()
	d = pgtest.New(t)
	d.Exec(t, `CREATE FUNCTION slow(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
			PERFORM pg_catalog.pg_sleep(0.01);
			WHILE n = 250 AND EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database AND d.datname = current_database()
					WHERE l.locktype = 'advisory' AND l.objid = 4711) LOOP
				PERFORM pg_catalog.pg_sleep(0.05);
			END LOOP;
			RETURN n;
		END $$;
		CREATE TABLE a (n int, padding text); INSERT INTO a SELECT n, repeat('x', 1000) FROM generate_series(1, 300) n;
		ALTER TABLE a OWNER TO "`+d.User+`"`)
	holder := d.Open(t)
	holder.SetMaxOpenConns(1)
	_, err := holder.Exec("SELECT pg_advisory_lock(4711)")
	require.NoError(t, err)
	return d, func() { require.NoError(t, holder.Close()) }
}

// startOnTerminal starts the program on a terminal, as a shell does.
func startOnTerminal(t *testing.T, d *pgtest.Database, sql string, env []string, args ...string) (*exec.Cmd, *terminal.Terminal) {
	t.Helper()
	pty := terminal.New(t, 110, 30)
	cmd := exec.Command(binary, append([]string{"up", "--source", fixture.Files(t, "-- 1_x.up.sql --\n"+sql)}, args...)...)
	cmd.Env = append([]string{"DATABASE_URL=" + d.URL(), "TERM=xterm"}, env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pty.Device, pty.Device, pty.Device
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, pty
}

// barPattern matches the last line during an index build.
var barPattern = regexp.MustCompile(`^1_x\.up\.sql  2/2 CREATE INDEX i ON a \(slow\(n\)\)  building index: scanning table  \[#+\.*\] \d+%.*  \d+s$`)

const notice = "DO $$ BEGIN RAISE NOTICE 'in between'; END $$;\n"

func waitForBar(t *testing.T, pty *terminal.Terminal) {
	t.Helper()
	waitForScreen(t, pty, "a bar", func(s []string) bool { return barPattern.MatchString(s[len(s)-1]) })
}

// waitForLastLine waits until the output of an exited program is complete.
func waitForLastLine(t *testing.T, pty *terminal.Terminal, last string) {
	t.Helper()
	waitForScreen(t, pty, last+" in the last line", func(s []string) bool { return strings.Contains(s[len(s)-1], last) })
}

// waitForScreen waits until the lines on the screen, at least one, meet the condition.
func waitForScreen(t *testing.T, pty *terminal.Terminal, what string, condition func(lines []string) bool) {
	t.Helper()
	if !assert.Eventually(t, func() bool {
		s := pty.Screen()
		return len(s) > 0 && condition(s)
	}, 2*time.Minute, 20*time.Millisecond) {
		t.Fatalf("wanted: %s; on the screen:\n%s", what, pty.Text())
	}
}

func TestProgressBar_Terminal_Shown(t *testing.T) {
	t.Parallel()
	d, release := newSlowIndexDatabase(t)
	cmd, pty := startOnTerminal(t, d, notice+"CREATE INDEX i ON a (slow(n));\n", nil)
	waitForBar(t, pty)
	pty.Resize(t, 60, 30)
	narrow := regexp.MustCompile(`^1_x\.up\.sql  \[#+\.*\] \d+%  \d+s$`)
	waitForScreen(t, pty, "a bar of 60 columns", func(s []string) bool { return narrow.MatchString(s[len(s)-1]) })
	release()
	require.NoError(t, cmd.Wait())
	waitForLastLine(t, pty, "schema is up to date")
	assert.NotContains(t, pty.Text(), "%", "the bar must be removed")
	assert.NotContains(t, pty.Text(), "unknown sequence")
	for _, line := range pty.Screen() {
		assert.Regexp(t, "^time=", line, "log lines must be complete: %s", pty.Text())
	}
}

func TestProgressBar_RunStopped_Removed(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*exec.Cmd, *terminal.Terminal) int{
		"SIGTERM": func(cmd *exec.Cmd, _ *terminal.Terminal) int {
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			return 128 + 15
		},
		"Ctrl-C": func(_ *exec.Cmd, pty *terminal.Terminal) int {
			pty.Type(t, "\x03")
			return 128 + 2
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := newSlowIndexDatabase(t)
			cmd, pty := startOnTerminal(t, d, notice+"CREATE INDEX i ON a (slow(n));\n", nil)
			waitForBar(t, pty)
			assert.Equal(t, end(cmd, pty), exitCode(t, cmd.Wait()))
			waitForLastLine(t, pty, "next")
			assert.NotRegexp(t, `\[#*\.*\]`, pty.Text())
			assert.Regexp(t, `(?m)^shiplock: `, pty.Text(), "the report starts on a new line")
		})
	}
}

// TestProgressBar_ProcessKilled_TerminalUsable checks the terminal settings after SIGKILL. Only the
// bar remains.
func TestProgressBar_ProcessKilled_TerminalUsable(t *testing.T) {
	t.Parallel()
	d, _ := newSlowIndexDatabase(t)
	cmd, pty := startOnTerminal(t, d, notice+"CREATE INDEX i ON a (slow(n));\n", nil)
	waitForBar(t, pty)
	require.NoError(t, cmd.Process.Kill())
	assert.Equal(t, -int(syscall.SIGKILL), exitCode(t, cmd.Wait()))
	before := len(pty.Screen())
	_, err := pty.Device.WriteString("\x1b[J$ " + strings.Repeat("wraps ", 30) + "\n") // like a shell prompt
	require.NoError(t, err)
	waitForScreen(t, pty, "a prompt", func(s []string) bool { return len(s) >= before && strings.HasSuffix(s[len(s)-1], "wraps") })
	assert.NotContains(t, pty.Text(), "%")
	assert.Equal(t, 30, strings.Count(pty.Text(), "wraps"), "lines must wrap: %s", pty.Text())
}

// TestProgressBar_UnsuitableOutput_NotShown covers terminals whose output is stored or read by a program.
func TestProgressBar_UnsuitableOutput_NotShown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env, args []string
	}{
		"CI":        {env: []string{"CI=true"}},
		"dumb":      {env: []string{"TERM=dumb"}},
		"json":      {args: []string{"--log-format", "json"}},
		"log":       {args: []string{"--progress", "log"}},
		"none":      {env: []string{"SHIPLOCK_PROGRESS=none"}},
		"short run": {args: []string{"--progress", "bar"}},
		"COLUMNS=1": {env: []string{"COLUMNS=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sql := "SELECT pg_sleep(1.6);\n"
			if name == "short run" || name == "COLUMNS=1" {
				sql = "SELECT 1;\n"
			}
			cmd, pty := startOnTerminal(t, pgtest.New(t), sql, c.env, c.args...)
			require.NoError(t, cmd.Wait())
			waitForLastLine(t, pty, "schema is up to date")
			assert.NotContains(t, pty.Sent(), "\x1b")
		})
	}
}

// TestProgressBar_ExternalTool_OutputAboveBar also checks that no bar is shown if the tool reads
// from the terminal.
func TestProgressBar_ExternalTool_OutputAboveBar(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, typed bool) (*exec.Cmd, *terminal.Terminal) {
		pty := terminal.New(t, 110, 30)
		cmd := exec.Command(binary, "exec", "--", "sh", "-c", "echo one; echo two >&2; while ! [ -e go ]; do sleep 0.05; done; printf three")
		cmd.Dir = t.TempDir()
		cmd.Env = []string{"DATABASE_URL=" + pgtest.New(t).URL(), "TERM=xterm", "PATH=" + os.Getenv("PATH")}
		cmd.Stdout, cmd.Stderr = pty.Device, pty.Device
		if typed {
			cmd.Stdin = pty.Device
		}
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		return cmd, pty
	}
	bar := func(s []string) bool { return regexp.MustCompile(`^sh -c .*  \d+s$`).MatchString(s[len(s)-1]) }
	for name, typed := range map[string]bool{"no input": false, "terminal input": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, pty := start(t, typed)
			if typed {
				waitForScreen(t, pty, "one and two, from two pipes", func(s []string) bool {
					return slices.Contains(s, "one") && slices.Contains(s, "two")
				})
				later, other := start(t, false) // by the time that it shows a bar, the first one would, too
				waitForScreen(t, other, "a bar", bar)
				assert.False(t, bar(pty.Screen()), pty.Text())
				require.NoError(t, later.Process.Kill())
				_ = later.Wait() // it was killed
			} else {
				waitForScreen(t, pty, "a bar", bar)
			}
			fixture.Write(t, cmd.Dir, "go", "")
			require.NoError(t, cmd.Wait())
			waitForLastLine(t, pty, "external tool succeeded")
			s := pty.Screen()
			require.Len(t, s, 5, pty.Text())
			assert.Equal(t, []string{"one", "three", "two"}, slices.Sorted(slices.Values(s[1:4])), pty.Text())
		})
	}
}
