package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// newLockedTool returns a tool that succeeds, in a database in which an earlier run has left the locks of Liquibase and Knex.
// Idle sessions of the test could be those of a tool.
func newLockedTool(t *testing.T) *toolFixture {
	b := newToolFixture(t, "touch ran")
	b.Admin().SetMaxIdleConns(0)
	b.Exec(t, liquibaseTable+"; "+knexTable+"; GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO PUBLIC")
	return b
}

func (b *toolFixture) lockRows() string {
	return b.Value(b.t, "SELECT concat_ws(' ', locked, lockgranted, lockedby, is_locked) FROM databasechangeloglock, knex_migrations_lock")
}

const heldLockRows = "t 2026-11-29 20:00:00 booking-migrate-x7k2p (10.0.0.7) 1"

func TestExec_StaleToolLock_Refused(t *testing.T) {
	t.Parallel()
	b := newLockedTool(t)
	out := b.run()
	assert.Equal(t, 5, out.code, out.err)
	b.golden("exec-stale-lock", out.err)
	assert.NoFileExists(t, b.dir+"/ran")
	assert.Equal(t, heldLockRows, b.lockRows())
}

func TestExec_StaleToolLock_Released(t *testing.T) {
	t.Parallel()
	b := newLockedTool(t)
	out := b.run("--on-stale-lock", "release")
	assert.Zero(t, out.code, out.err)
	assert.Contains(t, out.err, `msg="released the tool's stale lock" tool=Liquibase lock=public.databasechangeloglock`)
	assert.FileExists(t, b.dir+"/ran")
	assert.Equal(t, "f 0", b.lockRows())
}

// TestExec_ToolLockWithOtherSessions_HistoryDecides covers sessions of an application, one of which may be a run of the tool
// outside exec.
func TestExec_ToolLockWithOtherSessions_HistoryDecides(t *testing.T) {
	t.Parallel()
	b := newLockedTool(t)
	conn, err := b.Open(t).Conn(t.Context())
	assert.NoError(t, err)
	assert.NoError(t, conn.PingContext(t.Context()))

	out := b.run("--on-stale-lock", "release")
	assert.Equal(t, 5, out.code, "the lock may be in use: %s", out.err)
	flat := strings.Join(strings.Fields(out.err), " ")
	assert.Contains(t, flat, "public.databasechangeloglock is locked, and may be in use")
	assert.Contains(t, flat, "sessions pid ")
	assert.Equal(t, heldLockRows, b.lockRows())

	out = b.run()
	assert.Zero(t, out.code, "the tool itself waits for the lock: %s", out.err)
	assert.Contains(t, out.err, "the tool's own lock is held")

	b.script("exit 1")
	out = b.run()
	assert.Equal(t, 6, out.code, out.err)
	b.script("true")
	out = b.run()
	assert.Equal(t, 5, out.code, "the last run failed and left the lock: %s", out.err)
	out = b.run("--on-stale-lock", "release")
	assert.Zero(t, out.code, out.err)
	assert.Equal(t, "f 0", b.lockRows())
}

func TestExec_StaleToolLockNotWritable_Reported(t *testing.T) {
	t.Parallel()
	b := newLockedTool(t)
	b.Exec(t, "REVOKE UPDATE ON databasechangeloglock FROM PUBLIC")
	out := b.run("--on-stale-lock", "release")
	assert.Equal(t, 5, out.code, out.err)
	assert.Contains(t, strings.Join(strings.Fields(out.err), " "), "could not release the lock of Liquibase in public.databasechangeloglock")
	assert.Equal(t, heldLockRows, b.lockRows())
}
