package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/cli"
	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// readerURL creates a role that can read only the version table, once it exists, and returns its URL.
func readerURL(t *testing.T, d *pgtest.Database) string {
	t.Helper()
	role := d.Name + " reader"
	d.Exec(t, fmt.Sprintf(`CREATE ROLE %q LOGIN PASSWORD 'reader''s'; ALTER DEFAULT PRIVILEGES FOR ROLE %q GRANT SELECT ON TABLES TO %q`, role, d.User, role))
	t.Cleanup(func() { d.Exec(t, fmt.Sprintf(`DROP OWNED BY %[1]q; DROP ROLE %[1]q`, role)) })
	u, err := url.Parse(d.URL())
	require.NoError(t, err)
	u.User = url.UserPassword(role, "reader's")
	return u.String()
}

// background runs a command and sends its exit code to the channel.
func background(ctx context.Context, args ...string) (*fixture.Log, <-chan int) {
	stderr, done := &fixture.Log{}, make(chan int, 1)
	go func() { done <- cli.Program{Stdout: &bytes.Buffer{}, Stderr: stderr}.Run(ctx, args) }()
	return stderr, done
}

func TestWait_SelectPrivilegeOnly_Succeeds(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)"})
	stderr, done := background(t.Context(), "wait", "--source", fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT 1", "5_b.up.sql": "SELECT 1"}), "--database-url", readerURL(t, w.Database))
	stderr.Wait(t, "waiting", "for", "no migration is applied; version 5 is required")
	w.mustExit(0, "up")
	stderr.Wait(t, "waiting", "for", "database is at version 1; version 5 is required")
	w.Exec(t, "UPDATE schema_migrations SET version = 5, dirty = true")
	stderr.Wait(t, "waiting", "for", "a migration is running or partially applied at version 5")
	w.Exec(t, "UPDATE schema_migrations SET dirty = false")
	require.Zero(t, <-done, stderr)
	assert.Len(t, stderr.Records("schema is up to date", "version", "5"), 1, stderr)
	assert.Len(t, stderr.Records("waiting"), 3, "each reason must be logged once: %s", stderr)
}

func TestWait_OutOfOrderMigration_Waits(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1", "5_b.up.sql": "SELECT 5"})
	w.mustExit(0, "up")
	w.mustExit(0, "wait")
	w.write("3_late.up.sql", "SELECT 3")
	assert.Contains(t, w.mustExit(124, "wait", "--timeout", "3s").err, "database is at version 5, but 3 below it is not applied")
	w.mustExit(0, "up", "--out-of-order", "apply")
	w.mustExit(0, "wait")
	w.Exec(t, fmt.Sprintf("REVOKE ALL ON schema_migrations_history FROM %q", w.User))
	w.mustExit(0, "wait")
}

func TestWait_VersionFlag_Succeeds(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1", "5_b.up.sql": "SELECT 5"})
	w.mustExit(0, "up")
	wait := func(args ...string) outcome {
		return call(t.Context(), append([]string{"wait", "--timeout", "10s", "--database-url", w.URL()}, args...)...)
	}
	assert.Zero(t, wait("--version", "5").code)
	assert.Zero(t, wait("--version", "4").code)
	assert.Equal(t, 124, wait("--version", "6", "--timeout", "3s").code)
	assert.Equal(t, 2, wait("--version", "six").code)
	older := fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT 1"})
	assert.Zero(t, wait("--source", older).code, "a newer database has all migrations")
	assert.Equal(t, 5, wait("--source", older, "--on-newer", "fail").code)
	assert.Equal(t, 2, wait("--source", t.TempDir()).code)
}

func TestWait_Failure_ReportMatchesGolden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		code int
		args []string
		url  func(string) string
		sql  string
	}{
		{name: "wait-behind", code: 124},
		{name: "wait-unreadable", code: 124, sql: "REVOKE ALL ON schema_migrations FROM PUBLIC, %q"},
		{name: "wait-unreachable", code: 3, url: func(u string) string { return regexp.MustCompile(`:\d+/`).ReplaceAllString(u, ":1/") }},
		{name: "wait-password", code: 2, url: func(u string) string { return strings.Replace(u, "s3cret", "marked-secret", 1) }},
		{name: "wait-locked-table", code: 124},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1"})
			w.mustExit(0, "up")
			w.write("8_b.up.sql", "SELECT 8")
			if c.sql != "" {
				w.Exec(t, fmt.Sprintf(c.sql, w.User))
			}
			u := w.URL()
			if c.url != nil {
				u = c.url(u)
			}
			if c.name == "wait-locked-table" {
				tx, err := w.Admin().Begin()
				require.NoError(t, err)
				defer func() { _ = tx.Rollback() }()
				_, err = tx.Exec("LOCK TABLE schema_migrations")
				require.NoError(t, err)
			}
			out := call(t.Context(), "wait", "--source", w.dir, "--database-url", u, "--timeout", "4s")
			assert.Equal(t, c.code, out.code, out.err)
			golden(t, c.name, out.err)
			assert.NotContains(t, out.err, "secret")
		})
	}
}

func TestWait_Signal_Stops(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1"})
	ctx, cancel := context.WithCancelCause(t.Context())
	stderr, done := background(ctx, "wait", "--source", w.dir, "--database-url", w.URL())
	stderr.Wait(t, "waiting", "for", "no migration is applied")
	cancel(&interrupt.SignalError{Signal: syscall.SIGTERM})
	assert.Equal(t, 128+15, <-done)
	golden(t, "wait-sigterm", stderr.String())
}
