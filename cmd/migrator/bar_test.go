package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/pgtest"
	"github.com/shiplock/shiplock/internal/ptytest"
)

// slowly is a database in which "CREATE INDEX ON a (slow(n))" takes a few seconds, page by page.
func slowly(t *testing.T) *pgtest.Database {
	t.Helper()
	d := pgtest.New(t)
	d.Exec(t, `CREATE FUNCTION slow(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_sleep(0.01); RETURN n; END $$;
		CREATE TABLE a (n int, padding text); INSERT INTO a SELECT n, repeat('x', 1000) FROM generate_series(1, 500) n;
		ALTER TABLE a OWNER TO "`+d.User+`"`)
	return d
}

// atScreen runs the real program as a shell would on a terminal.
func atScreen(t *testing.T, d *pgtest.Database, sql string, env []string, args ...string) (*exec.Cmd, *ptytest.Terminal) {
	t.Helper()
	pty := ptytest.New(t, 110, 30)
	cmd := exec.Command(binary, append([]string{"up", "--source", folder(t, sql)}, args...)...)
	cmd.Env = append([]string{"DATABASE_URL=" + d.URL(), "TERM=xterm"}, env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pty.Device, pty.Device, pty.Device
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, pty
}

// aBar is what the last line looks like during an index build.
var aBar = regexp.MustCompile(`^1_x\.up\.sql  2/2 CREATE INDEX i ON a \(slow\(n\)\)  building index: scanning table  \[#+\.*\] \d+%.*  \d+s$`)

const notice = "DO $$ BEGIN RAISE NOTICE 'in between'; END $$;\n"

func waitForBar(t *testing.T, pty *ptytest.Terminal) {
	t.Helper()
	if !assert.Eventually(t, func() bool {
		s := pty.Screen()
		return len(s) > 0 && aBar.MatchString(s[len(s)-1])
	}, 30*time.Second, 20*time.Millisecond) {
		t.Fatalf("on the screen:\n%s", pty.Text())
	}
}

// settled waits until all that an ended program has written has come.
func settled(t *testing.T, pty *ptytest.Terminal, last string) {
	t.Helper()
	require.Eventually(t, func() bool {
		s := pty.Screen()
		return len(s) > 0 && strings.Contains(s[len(s)-1], last)
	}, 10*time.Second, 10*time.Millisecond, pty.Text())
}

func TestABarOnATerminal(t *testing.T) {
	t.Parallel()
	d := slowly(t)
	cmd, pty := atScreen(t, d, notice+"CREATE INDEX i ON a (slow(n));\n", nil)
	waitForBar(t, pty)
	pty.Resize(t, 60, 30)
	require.Eventually(t, func() bool {
		s := pty.Screen()
		return regexp.MustCompile(`^1_x\.up\.sql  \[#+\.*\] \d+%  \d+s$`).MatchString(s[len(s)-1])
	}, 10*time.Second, 20*time.Millisecond, pty.Text())
	require.NoError(t, cmd.Wait())
	settled(t, pty, "the schema is up to date")
	assert.NotContains(t, pty.Text(), "%", "nothing of the bar is left")
	assert.NotContains(t, pty.Text(), "unknown sequence")
	for _, line := range pty.Screen() {
		assert.Regexp(t, "^time=", line, "each line of the log is whole: %s", pty.Text())
	}
}

func TestABarGoesWithTheRun(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*exec.Cmd, *ptytest.Terminal) int{
		"SIGTERM": func(cmd *exec.Cmd, _ *ptytest.Terminal) int {
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			return 128 + 15
		},
		"Ctrl-C": func(_ *exec.Cmd, pty *ptytest.Terminal) int {
			pty.Type(t, "\x03")
			return 128 + 2
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, pty := atScreen(t, slowly(t), notice+"CREATE INDEX i ON a (slow(n));\n", nil)
			waitForBar(t, pty)
			assert.Equal(t, end(cmd, pty), exitCode(t, cmd.Wait()))
			settled(t, pty, "next")
			assert.NotRegexp(t, `\[#*\.*\]`, pty.Text())
			assert.Regexp(t, `(?m)^shiplock: `, pty.Text(), "the card begins a line of its own")
		})
	}
}

// TestKilledAtTheBar: nobody can tidy up then; the terminal is in order, and the bar is all that is left.
func TestKilledAtTheBar(t *testing.T) {
	t.Parallel()
	cmd, pty := atScreen(t, slowly(t), notice+"CREATE INDEX i ON a (slow(n));\n", nil)
	waitForBar(t, pty)
	require.NoError(t, cmd.Process.Kill())
	assert.Equal(t, -int(syscall.SIGKILL), exitCode(t, cmd.Wait()))
	before := len(pty.Screen())
	_, err := pty.Device.WriteString("\x1b[J$ " + strings.Repeat("wraps ", 30) + "\n") // as a shell's prompt
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(pty.Screen()) >= before && strings.Contains(pty.Text(), "$ wraps") }, 10*time.Second, 10*time.Millisecond)
	assert.NotContains(t, pty.Text(), "%")
	assert.Equal(t, 30, strings.Count(pty.Text(), "wraps"), "lines are broken as ever: %s", pty.Text())
}

// TestNoBar where a terminal's output is kept, or what stands there is for a program.
func TestNoBar(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env, args []string
	}{
		"CI":        {env: []string{"CI=true"}},
		"dumb":      {env: []string{"TERM=dumb"}},
		"json":      {args: []string{"--log-format", "json"}},
		"log":       {args: []string{"--progress", "log"}},
		"none":      {env: []string{"SHIPLOCK_PROGRESS=none"}},
		"is quick":  {args: []string{"--progress", "bar"}},
		"cut short": {env: []string{"COLUMNS=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sql := "SELECT pg_sleep(1.6);\n"
			if name == "is quick" || name == "cut short" {
				sql = "SELECT 1;\n"
			}
			cmd, pty := atScreen(t, pgtest.New(t), sql, c.env, c.args...)
			require.NoError(t, cmd.Wait())
			settled(t, pty, "the schema is up to date")
			assert.NotContains(t, pty.Sent(), "\x1b")
		})
	}
}

// TestABarBesideATool: what the tool says stands above it, and where somebody may type there is none.
func TestABarBesideATool(t *testing.T) {
	t.Parallel()
	for name, typed := range map[string]bool{"nobody types": false, "somebody may": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pty, dir := ptytest.New(t, 110, 30), t.TempDir()
			cmd := exec.Command(binary, "exec", "--", "sh", "-c", "echo one; echo two >&2; while ! [ -e go ]; do sleep 0.05; done; printf three")
			cmd.Dir = dir
			cmd.Env = []string{"DATABASE_URL=" + pgtest.New(t).URL(), "TERM=xterm", "PATH=" + os.Getenv("PATH")}
			cmd.Stdout, cmd.Stderr = pty.Device, pty.Device
			if typed {
				cmd.Stdin = pty.Device
			}
			require.NoError(t, cmd.Start())
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			bar := func() bool {
				s := pty.Screen()
				return len(s) > 0 && regexp.MustCompile(`^sh -c .*  \d+s$`).MatchString(s[len(s)-1])
			}
			if typed {
				settled(t, pty, "two")
				time.Sleep(1500 * time.Millisecond) // when a bar would be there
				assert.False(t, bar(), pty.Text())
			} else {
				require.Eventually(t, bar, 20*time.Second, 20*time.Millisecond, pty.Text())
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o600))
			require.NoError(t, cmd.Wait())
			settled(t, pty, "the tool has succeeded")
			s := pty.Screen()
			require.Len(t, s, 5, pty.Text())
			assert.Equal(t, []string{"one", "three", "two"}, slices.Sorted(slices.Values(s[1:4])), pty.Text())
		})
	}
}
