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

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// startTool runs "exec -- sh -c SCRIPT" in dir and waits until the script has created the file "ready".
func startTool(t *testing.T, d *pgtest.Database, dir, script string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(binary, "exec", "--", "sh", "-c", script)
	cmd.Dir, cmd.Stderr = dir, &stderr
	cmd.Env = append(os.Environ(), "DATABASE_URL="+d.URL())
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	fixture.WaitForFile(t, filepath.Join(dir, "ready"))
	return cmd, &stderr
}

func TestExec_Signal_Forwarded(t *testing.T) {
	for sig, name := range map[syscall.Signal]string{syscall.SIGTERM: "TERM", syscall.SIGINT: "INT"} {
		cmd, stderr := startTool(t, pgtest.New(t), t.TempDir(), "trap 'echo got TERM; exit 1' TERM; trap 'echo got INT; exit 1' INT; touch ready; while :; do sleep 0.05; done")
		require.NoError(t, cmd.Process.Signal(sig))
		assert.Equal(t, 128+int(sig), exitCode(t, cmd.Wait()))
		assert.Contains(t, stderr.String(), "got "+name)
	}
}

// TestExec_Killed_ToolKilled checks that the tool does not continue without the lock.
func TestExec_Killed_ToolKilled(t *testing.T) {
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
	}, time.Minute, 20*time.Millisecond)
}

// runExecOnTerminal runs "exec -- sh SCRIPT" on a pseudo-terminal with the given input.
func runExecOnTerminal(t *testing.T, d *pgtest.Database, script, typed string) (int, string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tool.sh"), []byte(script), 0o600))
	cmd := exec.Command("script", "-qec", binary+" exec -- sh tool.sh; exit $?", "/dev/null")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "DATABASE_URL="+d.URL())
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	var out bytes.Buffer
	cmd.Stdout = &out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	fixture.WaitForFile(t, filepath.Join(dir, "ready"))
	_, err = in.Write([]byte(typed))
	require.NoError(t, err)
	return exitCode(t, cmd.Wait()), out.String()
}

// TestExec_Terminal_InputAndInterruptReachTool checks that Ctrl-C also stops the migrator.
func TestExec_Terminal_InputAndInterruptReachTool(t *testing.T) {
	d := pgtest.New(t)
	code, output := runExecOnTerminal(t, d, "touch ready; read answer; echo got $answer", "yes\n")
	assert.Zero(t, code, output)
	assert.Contains(t, output, "got yes")
	code, output = runExecOnTerminal(t, d, "trap 'echo got INT; exit 1' INT; touch ready; while :; do sleep 0.05; done", "\x03")
	assert.Equal(t, 130, code, output)
	assert.Equal(t, 1, strings.Count(output, "got INT\r\n")-1, "once in the output of the tool, and once in the report: %s", output)
}
