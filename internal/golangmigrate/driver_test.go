package golangmigrate

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

var errStop = errors.New("stop")

// The run is canceled before golang-migrate marks the version clean.
func TestDriver_CanceledAfterCommit_CountsMigration(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := executor.OpenSession(t, d)
	ctx, cancel := context.WithCancelCause(t.Context())
	step := func(version uint, from, to int) lint.Step {
		return lint.Step{File: "x.up.sql", Name: "x", Direction: "up", Version: version, Target: to, From: from, Open: executor.OpenText("SELECT 1")}
	}
	driver := db.Driver(ctx, []lint.Step{step(1, -1, 1), step(2, 1, 2)}, false)
	require.NoError(t, driver.Lock())
	require.NoError(t, driver.SetVersion(1, true))
	require.NoError(t, driver.Run(strings.NewReader("CREATE TABLE a (b int)")))
	cancel(errStop)
	require.NoError(t, driver.SetVersion(1, false))
	assert.Equal(t, 1, driver.AppliedCount())
	require.ErrorIs(t, driver.SetVersion(2, true), errStop)
	assert.Equal(t, "1", d.Value(t, "SELECT version FROM schema_migrations"))
}

// The result does not depend on how fast the server answers.
func TestDriver_CanceledBeforeRun_RunsNothing(t *testing.T) {
	t.Parallel()
	db := executor.OpenSession(t, pgtest.New(t))
	ctx, cancel := context.WithCancelCause(t.Context())
	driver := db.Driver(ctx, nil, false)
	require.NoError(t, driver.Lock())
	require.NoError(t, driver.SetVersion(1, true))
	cancel(errStop)
	var fail *executor.MigrationError
	err := driver.Run(strings.NewReader("CREATE TABLE a (b int)"))
	require.ErrorAs(t, err, &fail)
	require.ErrorIs(t, err, errStop)
	assert.Equal(t, executor.RolledBack, fail.Outcome)
	require.NoError(t, db.ex.session.Conn.PingContext(t.Context()), "no query was canceled")
}
