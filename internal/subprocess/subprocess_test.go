package subprocess

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

// shellCommand returns a command that runs a shell script in dir.
func shellCommand(dir, text string) Command {
	return Command{Path: "/bin/sh", Args: []string{"sh", "-c", "cd " + dir + "\n" + text}, Grace: 10 * time.Second}
}

func TestRun_ProgramExits_ReturnsExit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want Exit
	}{
		"well":      {"echo out; echo err >&2", Exit{}},
		"badly":     {"exit 3", Exit{Code: 3}},
		"by signal": {"kill -9 $$", Exit{Code: -1, Signal: syscall.SIGKILL}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exit, err := Run(t.Context(), shellCommand(t.TempDir(), c.text))
			require.NoError(t, err)
			exit.Took, exit.Last = 0, nil
			assert.Equal(t, c.want, exit)
		})
	}
}

func TestRun_Output_Unchanged(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	c := shellCommand(t.TempDir(), `printf 'a\r\n\033[31mb\033[0m\0'; printf 'no newline' >&2; cat`)
	in, feed, err := os.Pipe()
	require.NoError(t, err)
	c.Stdin, c.Stdout, c.Stderr = in, &stdout, &stderr
	_, err = feed.WriteString("from stdin\n")
	require.NoError(t, err)
	require.NoError(t, feed.Close())
	exit, err := Run(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, "a\r\n\x1b[31mb\x1b[0m\x00from stdin\n", stdout.String())
	assert.Equal(t, "no newline", stderr.String())
	assert.ElementsMatch(t, []string{"a", "b\x00from stdin", "no newline"}, exit.Last)
}

func TestRun_CannotStart_ReturnsError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(file, []byte("\x7fno program"), 0o700))
	_, err := Run(t.Context(), Command{Path: file, Args: []string{"x"}})
	assert.ErrorIs(t, err, syscall.ENOEXEC)
}

var errStop = errors.New("stop")

// stop runs a script and stops it after it has created the file "ready".
func stop(t *testing.T, dir string, c Command) Exit {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		defer cancel(errStop)
		fixture.WaitForFile(t, filepath.Join(dir, "ready"))
	}()
	exit, err := Run(ctx, c)
	require.NoError(t, err)
	assert.Equal(t, errStop, exit.StopCause)
	return exit
}

const forEver = "touch ready; while :; do sleep 0.02; done"

func TestRun_ContextEnds_SendsSignal(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		dir := t.TempDir()
		c := shellCommand(dir, "trap 'echo TERM; exit 0' TERM; trap 'echo INT; exit 0' INT\n"+forEver)
		c.Signal = func(error) syscall.Signal { return sig }
		exit := stop(t, dir, c)
		assert.Zero(t, exit.Code)
		assert.False(t, exit.Killed)
		assert.Contains(t, exit.Last, map[syscall.Signal]string{syscall.SIGTERM: "TERM", syscall.SIGINT: "INT"}[sig])
	}
}

// gone waits until the process whose PID is in the file has ended.
func gone(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	assert.Eventually(t, func() bool {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		return err != nil || strings.Contains(string(stat), ") Z ") // a zombie whose parent is slow
	}, time.Minute, 10*time.Millisecond, "process %d still runs", pid)
}

func TestRun_SignalIgnored_KillsGroup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := shellCommand(dir, "trap '' TERM\n(echo $$ >pid; sh -c 'echo $$ >child; while :; do sleep 0.02; done') &\nwhile ! [ -s child ]; do sleep 0.02; done\n"+forEver)
	c.Grace = 300 * time.Millisecond
	exit := stop(t, dir, c)
	assert.True(t, exit.Killed)
	assert.Equal(t, syscall.SIGKILL, exit.Signal)
	gone(t, filepath.Join(dir, "child"))
}

func TestRun_ProcessesLeftBehind_Terminated(t *testing.T) {
	t.Parallel()
	for name, trap := range map[string]string{"listens": "", "does not listen": "trap '' TERM;"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := shellCommand(dir, "sh -c '"+trap+" echo $$ >child; while :; do sleep 0.02; done' &\nwhile ! [ -s child ]; do sleep 0.02; done\nexit 4")
			c.Grace = 300 * time.Millisecond
			exit, err := Run(t.Context(), c)
			require.NoError(t, err)
			assert.Equal(t, 4, exit.Code)
			assert.Nil(t, exit.StopCause)
			gone(t, filepath.Join(dir, "child"))
		})
	}
}

// TestRun_Daemon_NotWaitedFor covers a process that has its own session and keeps the pipe open.
func TestRun_Daemon_NotWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	exit, err := Run(t.Context(), shellCommand(dir, "setsid sh -c 'echo $$ >daemon; exec sleep 60' &\nwhile ! [ -s daemon ]; do sleep 0.02; done\necho done"))
	require.NoError(t, err)
	assert.Equal(t, []string{"done"}, exit.Last)
	assert.Less(t, exit.Took, 30*time.Second)
	text, err := os.ReadFile(filepath.Join(dir, "daemon"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL), "the daemon keeps running")
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		writes []string
		want   []string
	}{
		"in pieces":       {[]string{"ab", "c\nd", "\n"}, []string{"abc", "d"}},
		"no newline":      {[]string{"abc"}, []string{"abc"}},
		"empty lines":     {[]string{"\n\n a\n  \n"}, []string{" a"}},
		"progress":        {[]string{"10%\r20%\r", "30%\n", "x\r\n", "y\r", "\n"}, []string{"30%", "x", "y"}},
		"color":           {[]string{"\x1b[1;31merror\x1b[0m \x1b]8;;http://x\x07here\x1b]8;;\x07\n"}, []string{"error here"}},
		"a long line":     {[]string{strings.Repeat("a", 300), strings.Repeat("b", 3000), "\nc\n"}, []string{strings.Repeat("a", 300) + strings.Repeat("b", 100) + "…", "c"}},
		"many lines":      {[]string{strings.Repeat("x\n", 30) + "y\n"}, append(repeatLine("x", 19), "y")},
		"many long lines": {[]string{strings.Repeat(strings.Repeat("x", 390)+"\n", 30)}, repeatLine(strings.Repeat("x", 390), 5)},
	} {
		t.Run(name, func(t *testing.T) {
			var kept lastLines
			w := lineWriter{to: &kept}
			for _, s := range c.writes {
				w.write([]byte(s))
			}
			w.flush()
			assert.Equal(t, c.want, kept.lines())
		})
	}
}

func repeatLine(s string, n int) []string {
	var out []string
	for range n {
		out = append(out, s)
	}
	return out
}
