package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// upCommand returns the command "up -- sh -c SCRIPT".
func upCommand(d *pgtest.Database, dir, script string) *exec.Cmd {
	cmd := exec.Command(binary, "up", "--source", dir, "--", "sh", "-c", script)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+d.URL(), "SHIPLOCK_LOCK_WAIT=1m", "SERVER_SETTING=yes")
	return cmd
}

// TestUpCommand_SchemaUpToDate_ReplacesProcess checks the process ID, the environment, the signals, and the
// exit code.
func TestUpCommand_SchemaUpToDate_ReplacesProcess(t *testing.T) {
	d := pgtest.New(t)
	dir := t.TempDir()
	cmd := upCommand(d, fixture.Files(t, "-- 1_x.up.sql --\nCREATE TABLE a (b int)"), fmt.Sprintf(
		`echo $$ $SERVER_SETTING $SHIPLOCK_LOCK_WAIT "$DATABASE_URL" >%[1]s/started.new; mv %[1]s/started.new %[1]s/started; trap 'echo got TERM; exit 42' TERM; while :; do sleep 0.05; done`, dir))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	fixture.WaitForFile(t, filepath.Join(dir, "started"))
	output, err := os.ReadFile(filepath.Join(dir, "started"))
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("%d yes 1m %s\n", cmd.Process.Pid, d.URL()), string(output))
	assert.Equal(t, "a", d.Value(t, "SELECT to_regclass('a')"))
	fixture.Eventually(t, d, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shiplock' AND datname = current_database()", "0")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, 42, exitCode(t, cmd.Wait()))
	assert.Equal(t, "got TERM\n", stdout.String())
}

func TestUpCommand_MigrationFails_NotStarted(t *testing.T) {
	d := pgtest.New(t)
	output, err := upCommand(d, fixture.Files(t, "-- 1_x.up.sql --\nSELECT nope"), "echo the server").CombinedOutput()
	assert.Equal(t, 6, exitCode(t, err))
	assert.NotContains(t, string(output), "the server")

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "empty"), []byte("\x7fno program"), 0o700))
	for command, want := range map[string]string{
		"/nowhere/server":           "no such file",
		"no-such-server":            "not found in $PATH",
		filepath.Join(dir, "plain"): "permission denied",
	} {
		cmd := upCommand(d, fixture.Files(t, "-- 1_x.up.sql --\nCREATE TABLE a (b int)"), "")
		cmd.Args = append(cmd.Args[:len(cmd.Args)-3], command)
		output, err = cmd.CombinedOutput()
		assert.Equal(t, 2, exitCode(t, err))
		assert.Contains(t, string(output), want)
		assert.Empty(t, d.Value(t, "SELECT to_regclass('a')"), "must fail before a migration runs")
	}
	cmd := upCommand(d, fixture.Files(t, "-- 1_x.up.sql --\nCREATE TABLE a (b int)"), "")
	cmd.Args = append(cmd.Args[:len(cmd.Args)-3], filepath.Join(dir, "empty"))
	output, err = cmd.CombinedOutput()
	assert.Equal(t, 2, exitCode(t, err))
	assert.Contains(t, string(output), "schema is up to date, but "+filepath.Join(dir, "empty")+" does not start")
}

func TestUpCommand_ManyInstances_MigratedOnce(t *testing.T) {
	d := pgtest.New(t)
	d.Exec(t, "CREATE TABLE log (n int); GRANT ALL ON log TO PUBLIC")
	dir := fixture.Files(t, "-- 1_x.up.sql --\nINSERT INTO log VALUES (1); SELECT pg_sleep(0.5)")
	const instances = 8
	output := make([]string, instances)
	var all sync.WaitGroup
	for i := range instances {
		all.Go(func() {
			out, err := upCommand(d, dir, "echo instance").CombinedOutput()
			output[i] = fmt.Sprint(string(out), err)
		})
	}
	all.Wait()
	for _, out := range output {
		assert.True(t, strings.HasSuffix(out, "\ninstance\n<nil>"), out)
	}
	assert.Equal(t, "1", d.Value(t, "SELECT count(*) FROM log"))
}

func TestUp_ConnectAttempts_Limited(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"attempts":          {[]string{"--connect-attempts", "3", "--connect-delay", "50ms"}, "3 times in"},
		"attempts and time": {[]string{"--connect-attempts", "1000", "--wait-for-db", "2s"}, "(--wait-for-db)"},
		"one attempt":       {[]string{"--connect-attempts", "1"}, "1 time in"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(binary, append([]string{"up", "--source", fixture.Files(t, "-- 1_x.up.sql --\nSELECT 1"), "--database-url", "postgres://app@127.0.0.1:1/x"}, c.args...)...)
			output, err := cmd.CombinedOutput()
			assert.Equal(t, 3, exitCode(t, err), "%s", output)
			assert.Contains(t, string(output), c.want)
		})
	}
}
