package migrator_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/status"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestUp_DatabaseAhead_FollowsPolicy(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	_, err := migrator.Up(t.Context(), newOptions(t, d, fixture.Files(t, threeMigrations+"-- 9_d.up.sql --\nCREATE TABLE nine (a int);\n")))
	require.NoError(t, err)
	before := describeDatabase(t, d)
	o := newOptions(t, d, fixture.Files(t, threeMigrations))

	result, err := migrator.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, migrator.Result{From: 9, To: 9, Newer: true, Ahead: []source.Migration{{Version: 9, Name: "d"}}}, result)

	var refusal *planner.Refusal
	strict := o
	strict.Policy.OnNewer = planner.FailNewer
	_, err = migrator.Up(t.Context(), strict)
	require.ErrorAs(t, err, &refusal)
	_, err = migrator.Down(t.Context(), o, 1)
	require.ErrorAs(t, err, &refusal)

	got, err := status.ReadStatus(t.Context(), o)
	require.NoError(t, err)
	assert.False(t, got.VersionInFiles)
	assert.EqualValues(t, 9, *got.Version)
	assert.EqualValues(t, 3, got.Latest)
	assert.Empty(t, got.Pending)
	require.Len(t, got.Applied, 4)
	assert.True(t, got.Applied[3].FromHistory)
	assert.Equal(t, before, describeDatabase(t, d))
}

func TestStatus_EmptyDatabase_ChangesNothing(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	before := describeDatabase(t, d)
	got, err := status.ReadStatus(t.Context(), newOptions(t, d, fixture.Files(t, threeMigrations)))
	require.NoError(t, err)
	assert.Nil(t, got.Version)
	assert.True(t, got.VersionInFiles)
	assert.Equal(t, []status.FileInfo{{Version: 1, Name: "a"}, {Version: 2, Name: "b"}, {Version: 3, Name: "c"}}, got.Pending)
	assert.Empty(t, got.Applied)
	assert.Equal(t, before, describeDatabase(t, d), "not even the version table is made")
}

func TestDown_VersionZero_IsAVersion(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	o := newOptions(t, d, fixture.Files(t, "-- 0_zero.up.sql --\nCREATE TABLE z (a int);\n-- 0_zero.down.sql --\nDROP TABLE z;\n"+threeMigrations))
	_, err := migrator.Up(t.Context(), o)
	require.NoError(t, err)
	result, err := migrator.Down(t.Context(), o, 0)
	require.NoError(t, err)
	assertResult(t, migrator.Result{From: 3, To: 0, Applied: 3}, []string{"3 c down", "2 b down", "1 a down"}, result)
	assert.Equal(t, "0 f", d.Value(t, version))
	assert.Equal(t, "z", d.Value(t, "SELECT concat(to_regclass('z'), to_regclass('a'))"))
}

func TestUp_InvalidFiles_ReportedBeforeConnectError(t *testing.T) {
	t.Parallel()
	o := newOptions(t, &pgtest.Database{Name: "x", User: "x", Password: "x", Host: "127.0.0.1", Port: 1}, t.TempDir())
	_, err := migrator.Up(t.Context(), o)
	assert.ErrorIs(t, err, source.ErrNoMigrations)
	_, err = status.ReadStatus(t.Context(), o)
	assert.ErrorIs(t, err, source.ErrNoMigrations)
	o.Source = fixture.Files(t, threeMigrations)
	_, err = migrator.Up(t.Context(), o)
	var unreachable *postgres.ConnectError
	assert.ErrorAs(t, err, &unreachable)
}
