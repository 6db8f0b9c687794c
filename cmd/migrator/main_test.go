package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/program"
)

// Limits of the image size, and of the memory of a run with nothing to do.
const (
	maxImageBytes = 25 << 20
	maxIdleBytes  = 30 << 20
)

var binary, certificates string

func TestMain(m *testing.M) {
	out, err := os.MkdirTemp("", "migrator")
	if err != nil {
		panic(err)
	}
	if binary, err = program.BuildMigrator(out, "VERSION=test"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	certificates = filepath.Join(out, "ca-certificates.crt")
	pgtest.Main(m, out, out+".lock")
}

// start starts the program. Its standard error is complete once it has exited.
func start(t *testing.T, d *pgtest.Database, dir string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(binary, "up", "--source", dir)
	cmd.Env = []string{"DATABASE_URL=" + d.URL()}
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, &stderr
}

// resetPeakMemory resets the peak memory of the test process. A new process inherits that value until it
// calls exec.
func resetPeakMemory(t *testing.T) {
	t.Helper()
	debug.FreeOSMemory()
	require.NoError(t, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // proc(5)
}

// peakBytes returns the peak memory of an exited program. Call resetPeakMemory before starting it.
func peakBytes(t *testing.T, cmd *exec.Cmd) int64 {
	t.Helper()
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	require.True(t, ok)
	return usage.Maxrss << 10 // Linux counts in KiB
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), "%v", err)
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return -int(ws.Signal())
	}
	return exit.ExitCode()
}

func TestImage_Size_BelowLimit(t *testing.T) {
	var size int64
	for _, file := range []string{binary, certificates} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		size += info.Size()
	}
	t.Logf("%.1f MB", float64(size)/1e6)
	assert.Less(t, size, int64(maxImageBytes))
}

func TestBinary_Linking_Static(t *testing.T) {
	out, err := exec.Command("ldd", binary).CombinedOutput()
	assert.Error(t, err, "%s", out)
	assert.Contains(t, string(out), "not a dynamic executable")
}

func TestUp_NothingToDo_MemoryBounded(t *testing.T) {
	d := pgtest.New(t)
	dir := fixture.Files(t, "-- 1_x.up.sql --\nSELECT 1")
	cmd, stderr := start(t, d, dir)
	require.NoError(t, cmd.Wait(), stderr)
	resetPeakMemory(t)
	cmd, stderr = start(t, d, dir)
	require.NoError(t, cmd.Wait(), stderr)
	assert.Contains(t, stderr.String(), "nothing to do")
	peak := peakBytes(t, cmd)
	t.Logf("%.1f MB", float64(peak)/1e6)
	assert.Less(t, peak, int64(maxIdleBytes))
}

const sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"

func TestUp_Signal_Stops(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			d := pgtest.New(t)
			cmd, stderr := start(t, d, fixture.Files(t, "-- 1_x.up.sql --\nCREATE TABLE a (b int); SELECT pg_sleep(60)"))
			fixture.Eventually(t, d, sleeping, "1")
			sent := time.Now()
			require.NoError(t, cmd.Process.Signal(sig))
			assert.Equal(t, 128+int(sig), exitCode(t, cmd.Wait()))
			assert.Less(t, time.Since(sent), 30*time.Second, "must not wait for the statement")
			assert.Contains(t, stderr.String(), "stopped by SIG")
			fixture.EventuallyWithin(t, 30*time.Second, d, sleeping, "0")
			assert.Empty(t, d.Value(t, "SELECT to_regclass('a')"))
		})
	}
}

// TestUp_Killed_BackendEnds kills the migrator while its statement runs. The server must detect the lost
// connection and release the locks.
func TestUp_Killed_BackendEnds(t *testing.T) {
	for name, busy := range map[string]string{
		"waits": "SELECT pg_sleep(600)",
		"works": "SELECT count(*) FROM generate_series(1, 10000000000) s",
	} {
		t.Run(name, func(t *testing.T) {
			d := pgtest.New(t)
			active := "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND application_name = 'shiplock' AND datname = '" + d.Name + "'"
			cmd, _ := start(t, d, fixture.Files(t, "-- 1_x.up.sql --\nCREATE TABLE a (b int); "+busy))
			fixture.Eventually(t, d, active, "1")
			require.NoError(t, cmd.Process.Kill())
			assert.Equal(t, -int(syscall.SIGKILL), exitCode(t, cmd.Wait()))
			fixture.EventuallyWithin(t, 30*time.Second, d, active, "0")
		})
	}
}

// TestUp_KilledDuringIndexBuild_BuildEnds kills the migrator during an index build that takes ten minutes, so
// that it does not complete on a slow machine either. A concurrent build leaves an invalid index, which the
// next run drops and builds again.
func TestUp_KilledDuringIndexBuild_BuildEnds(t *testing.T) {
	for option, invalid := range map[string]string{"": "0", "CONCURRENTLY": "1"} {
		t.Run("CREATE INDEX "+option, func(t *testing.T) {
			d := pgtest.New(t)
			d.Exec(t, `CREATE TABLE pace (ms float); INSERT INTO pace VALUES (100);
				CREATE FUNCTION slow(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
				DECLARE until timestamptz := clock_timestamp() + (SELECT ms FROM public.pace) * interval '1 ms';
				BEGIN WHILE clock_timestamp() < until LOOP END LOOP; RETURN n; END $$;
				CREATE TABLE a (n int); INSERT INTO a SELECT generate_series(1, 6000); GRANT SELECT ON pace TO PUBLIC;
				ALTER TABLE a OWNER TO "`+d.User+`"`)
			const building = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
			dir := fixture.Files(t, "-- 1_x.up.sql --\nCREATE INDEX "+option+" i ON a (slow(n));\n")
			cmd, _ := start(t, d, dir)
			// Before this phase, no index exists that could be left over.
			fixture.Eventually(t, d, building+" AND phase LIKE 'building index%'", "1")
			require.NoError(t, cmd.Process.Kill())
			killed := time.Now()
			assert.Equal(t, -int(syscall.SIGKILL), exitCode(t, cmd.Wait()))
			fixture.Eventually(t, d, building, "0")
			t.Logf("the backend ended after %s; a complete build takes 10 minutes", time.Since(killed).Round(100*time.Millisecond))
			assert.Equal(t, invalid, d.Value(t, "SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass AND NOT indisvalid"))

			d.Exec(t, "UPDATE pace SET ms = 0")
			cmd, stderr := start(t, d, dir)
			require.NoError(t, cmd.Wait(), stderr)
			assert.Equal(t, "i true", d.Value(t, "SELECT indexrelid::regclass || ' ' || indisvalid FROM pg_index WHERE indrelid = 'a'::regclass"))
			assert.Equal(t, "1", d.Value(t, "SELECT version FROM schema_migrations WHERE NOT dirty"))
			assert.Equal(t, "1 applied", d.Value(t, "SELECT string_agg(migration_version || ' ' || run_outcome, ', ') FROM schema_migrations_history"))
		})
	}
}

func TestUp_Killed_NothingApplied(t *testing.T) {
	d := pgtest.New(t)
	dir := fixture.Files(t, "-- 1_x.up.sql --\nCREATE TABLE a (b int); SELECT pg_sleep(60)")
	cmd, _ := start(t, d, dir)
	fixture.Eventually(t, d, sleeping, "1")
	require.NoError(t, cmd.Process.Kill())
	assert.Equal(t, -int(syscall.SIGKILL), exitCode(t, cmd.Wait()))
	assert.Empty(t, d.Value(t, "SELECT to_regclass('schema_migrations')"))
	cmd, stderr := start(t, d, fixture.Files(t, "-- 1_x.up.sql --\nCREATE TABLE a (b int)"))
	require.NoError(t, cmd.Wait(), stderr)
	assert.Equal(t, "1", d.Value(t, "SELECT version FROM schema_migrations WHERE NOT dirty"))
}
