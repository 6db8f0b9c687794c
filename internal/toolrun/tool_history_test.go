package toolrun

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestRecordToolRun(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := New(teststore.Open(t, d))
	last := func() *ToolRun {
		r, err := db.LastToolRun(t.Context())
		require.NoError(t, err)
		return r
	}
	run := ToolRun{Command: "it's $1 %d", Outcome: ToolRunning, ExitCode: -1, Before: "b", Started: time.Now().Truncate(time.Millisecond)}
	record := func(id int64) int64 {
		id, err := db.RecordToolRun(t.Context(), id, run)
		require.NoError(t, err)
		return id
	}
	assert.Zero(t, record(0), "no table is created in an empty schema")
	assert.Nil(t, last())
	require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a (b int)"))
	id := record(0)
	require.NotZero(t, id)
	assert.Equal(t, -1, last().ExitCode)

	run.Outcome, run.ExitCode, run.Exit, run.After, run.Changes, run.DurationSeconds = ToolFailed, 3, "exit code 3", "a", []string{"added table x", "changed y"}, 1.5
	assert.Equal(t, id, record(id))
	got := last()
	assert.True(t, run.Started.Equal(got.Started))
	got.Started, run.User = run.Started, d.User
	assert.Equal(t, run, *got)
	assert.Equal(t, "1", d.Value(t, "SELECT count(*) FROM schema_migrations_exec_history"))
	d.Exec(t, fmt.Sprintf("ALTER TABLE schema_migrations_exec_history OWNER TO postgres; REVOKE ALL ON schema_migrations_exec_history FROM %q", d.User))
	assert.Nil(t, last(), "nil without the privilege")
}

func TestRecordToolRun_NoCreatePrivilege_NotRecorded(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := New(teststore.Open(t, d))
	require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a (b int)"))
	d.Exec(t, fmt.Sprintf(`ALTER DATABASE %q OWNER TO postgres; REVOKE CREATE ON SCHEMA public FROM PUBLIC, %q`, d.Name, d.User))
	id, err := db.RecordToolRun(t.Context(), 0, ToolRun{Command: "x", Outcome: ToolRunning})
	require.NoError(t, err)
	assert.Zero(t, id)
}

// External tools exclude each other, but neither migrations nor golang-migrate, which takes its own
// lock.
func TestLock_ExternalTool_ExcludesOtherTools(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	open := func(tool bool) *Tools {
		return New(teststore.OpenWith(t, teststore.Options(t, d.URL()), history.Options{Table: teststore.Table, ExternalTool: tool}))
	}
	tool, other, migrations := open(true), open(true), open(false)
	assert.ErrorIs(t, tool.CheckLock(t.Context()), ErrLockNotHeld)
	acquire := func(tools *Tools) error {
		_, err := lock.Acquire(t.Context(), tools.store, lock.Options{})
		return err
	}
	require.NoError(t, acquire(tool))
	require.NoError(t, tool.CheckLock(t.Context()))
	var locked *lock.LockedError
	require.ErrorAs(t, acquire(other), &locked)
	require.NoError(t, acquire(migrations))

	d.Exec(t, fmt.Sprintf("SELECT pg_terminate_backend(%d)", tool.session.Server.PID))
	var lost *postgres.LostError
	assert.ErrorAs(t, tool.CheckLock(t.Context()), &lost)
	require.Eventually(t, func() bool { return acquire(other) == nil }, time.Minute, 10*time.Millisecond)
	require.NoError(t, other.session.Exec(t.Context(), "SELECT pg_advisory_unlock_all()"))
	assert.ErrorIs(t, other.CheckLock(t.Context()), ErrLockNotHeld)
}
