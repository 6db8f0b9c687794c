package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/pgtest"
)

// startTool runs "exec -- sh -c SCRIPT" in dir and waits until the script has made the file "ready".
func startTool(t *testing.T, d *pgtest.Database, dir, script string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(binary, "exec", "--", "sh", "-c", script)
	cmd.Dir, cmd.Stderr = dir, &stderr
	cmd.Env = append(os.Environ(), "DATABASE_URL="+d.URL())
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "ready")); return err == nil }, 20*time.Second, 20*time.Millisecond)
	return cmd, &stderr
}

func TestExecHandsOnSignals(t *testing.T) {
	for sig, word := range map[syscall.Signal]string{syscall.SIGTERM: "TERM", syscall.SIGINT: "INT"} {
		cmd, stderr := startTool(t, pgtest.New(t), t.TempDir(), "trap 'echo got TERM; exit 1' TERM; trap 'echo got INT; exit 1' INT; touch ready; while :; do sleep 0.05; done")
		require.NoError(t, cmd.Process.Signal(sig))
		assert.Equal(t, 128+int(sig), exitCode(t, cmd.Wait()))
		assert.Contains(t, stderr.String(), "got "+word)
	}
}

// TestExecKilledTakesTheToolAlong: with us goes the lock, so the tool must not go on.
func TestExecKilledTakesTheToolAlong(t *testing.T) {
	dir := t.TempDir()
	cmd, _ := startTool(t, pgtest.New(t), dir, "echo $$ >pid; touch ready; while :; do sleep 0.05; done")
	text, err := os.ReadFile(filepath.Join(dir, "pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	assert.Equal(t, -int(syscall.SIGKILL), exitCode(t, cmd.Wait()))
	assert.Eventually(t, func() bool {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, 10*time.Second, 20*time.Millisecond)
}
