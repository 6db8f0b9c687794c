package postgres

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/pgtest"
)

// TestACommittedMigrationCounts though the run is told to stop before golang-migrate
// has come to say that it is clean.
func TestACommittedMigrationCounts(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, err := Open(t.Context(), options(t, d.URL()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("told to stop")
	step := func(version uint, from, to int) Step {
		text := "SELECT 1"
		return Step{File: "x.up.sql", Name: "x", Direction: "up", Version: version, Target: to, From: from,
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
	}
	driver := db.Driver(ctx, []Step{step(1, -1, 1), step(2, 1, 2)}, false)
	require.NoError(t, driver.Lock())
	require.NoError(t, driver.SetVersion(1, true))
	require.NoError(t, driver.Run(strings.NewReader("CREATE TABLE a (b int)")))
	cancel(stop)
	require.NoError(t, driver.SetVersion(1, false))
	assert.Equal(t, 1, driver.Done())
	require.ErrorIs(t, driver.SetVersion(2, true), stop)
	assert.Equal(t, "1", d.Value(t, "SELECT version FROM schema_migrations"))
}

// TestNothingIsBegunAfterAStop, however fast the server would answer.
func TestNothingIsBegunAfterAStop(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, err := Open(t.Context(), options(t, d.URL()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("told to stop")
	driver := db.Driver(ctx, nil, false)
	require.NoError(t, driver.Lock())
	require.NoError(t, driver.SetVersion(1, true))
	cancel(stop)
	var fail *MigrationError
	err = driver.Run(strings.NewReader("CREATE TABLE a (b int)"))
	require.ErrorAs(t, err, &fail)
	require.ErrorIs(t, err, stop)
	assert.Equal(t, RolledBack, fail.Outcome)
	require.NoError(t, db.conn.PingContext(t.Context()), "nobody was asked to cancel anything")
}
