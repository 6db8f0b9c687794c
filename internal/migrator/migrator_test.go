package migrator_test

import (
	"context"
	"log/slog"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/test/fixture"
)

const threeMigrations = `
-- 1_a.up.sql --
CREATE TABLE a (b int);
-- 1_a.down.sql --
DROP TABLE a;
-- 2_b.up.sql --
INSERT INTO a VALUES (2);
-- 2_b.down.sql --
DELETE FROM a;
-- 3_c.up.sql --
INSERT INTO a VALUES (3);
-- 3_c.down.sql --
DELETE FROM a WHERE b = 3;
`

const version = "SELECT concat(version, ' ', dirty) FROM schema_migrations"

// A logHook calls do at the first log record with this message and version, which is the
// only way for a test to run between two migrations.
type logHook struct {
	slog.Handler
	message string
	version int64
	do      func()
}

func (h *logHook) Handle(ctx context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if r.Message == h.message && a.Key == "version" && a.Value.Int64() == h.version && h.do != nil {
			do := h.do
			h.do = nil
			do()
		}
		return true
	})
	return h.Handler.Handle(ctx, r)
}

func withLogHook(o migrator.Options, message string, version int64, do func()) migrator.Options {
	o.Log = slog.New(&logHook{Handler: o.Log.Handler(), message: message, version: version, do: do})
	o.Postgres.Log = o.Log
	return o
}

func TestUp_Canceled_ReportsProgress(t *testing.T) {
	t.Parallel()
	why := &interrupt.SignalError{Signal: syscall.SIGTERM}
	for _, c := range []struct {
		name, message string
		at            int64
		down          bool
		want          string // of the version table, "" for none
		applied       int
		reached       int
	}{
		{"before the first, up", "migration started", 1, false, "", 0, planner.NoVersion},
		{"between two, up", "migration completed", 1, false, "1 f", 1, 1},
		{"as the last begins, up", "migration started", 3, false, "2 f", 2, 2},
		{"before the first, down", "migration started", 3, true, "3 f", 0, 3},
		{"between two, down", "migration completed", 2, true, "1 f", 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			o := newOptions(t, d, fixture.Files(t, threeMigrations))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			run := migrator.Up
			if c.down {
				_, err := migrator.Up(ctx, o)
				require.NoError(t, err)
				run = func(ctx context.Context, o migrator.Options) (migrator.Result, error) {
					return migrator.Down(ctx, o, 0)
				}
			}
			result, err := run(ctx, withLogHook(o, c.message, c.at, func() { cancel(why) }))
			assert.Equal(t, migrator.Result{}, result)
			var ended *migrator.RunError
			require.ErrorAs(t, err, &ended)
			require.ErrorIs(t, err, why)
			assert.Equal(t, c.applied, ended.Applied)
			assert.Equal(t, c.reached, ended.At())
			assert.Len(t, ended.Plan.Steps, 3)
			if c.want == "" {
				assert.Empty(t, d.Value(t, "SELECT to_regclass('schema_migrations')"))
			} else {
				assert.Equal(t, c.want, d.Value(t, version))
			}

			rest, err := run(t.Context(), o)
			require.NoError(t, err, "the next run resumes")
			assert.Equal(t, 3-c.applied, rest.Applied)
		})
	}
}

func TestUp_MigrationFails_StopsRun(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	o := newOptions(t, d, fixture.Files(t, threeMigrations+"-- 2_b.up.sql --\nINSERT INTO a VALUES (2), ('two');\n"))
	_, err := migrator.Up(t.Context(), o)
	var ended *migrator.RunError
	require.ErrorAs(t, err, &ended)
	assert.Equal(t, 1, ended.Applied)
	assert.Equal(t, 1, ended.At())
	assert.Equal(t, 3, ended.Plan.To)
	var failed *migrationerror.Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "2_b.up.sql", failed.File)
	assert.Equal(t, migrationerror.RolledBack, failed.Outcome)
	assert.Equal(t, "1 f", d.Value(t, version))
	assert.Equal(t, "0", d.Value(t, "SELECT count(*) FROM a"))
}

// TestUp_VersionChangedByOther_ReturnsIncompleteError changes the version table after the last commit.
func TestUp_VersionChangedByOther_ReturnsIncompleteError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, change string
		want         migrator.IncompleteError
	}{
		{"other version", "UPDATE schema_migrations SET version = 2", migrator.IncompleteError{Want: 3, Got: 2}},
		{"dirty", "UPDATE schema_migrations SET dirty = true", migrator.IncompleteError{Want: 3, Got: 3, Dirty: true}},
		{"emptied", "TRUNCATE schema_migrations", migrator.IncompleteError{Want: 3, Got: planner.NoVersion}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			o := withLogHook(newOptions(t, d, fixture.Files(t, threeMigrations)), "migration completed", 3, func() { d.Exec(t, c.change) })
			_, err := migrator.Up(t.Context(), o)
			var ended *migrator.RunError
			require.ErrorAs(t, err, &ended)
			assert.Equal(t, 3, ended.Applied)
			var incomplete *migrator.IncompleteError
			require.ErrorAs(t, err, &incomplete)
			assert.Equal(t, c.want, *incomplete)
		})
	}
}
