package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/pgtest"
	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

const three = `
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

// onLog calls do at the first log record with this message and version: the
// moments between two migrations that a test cannot reach otherwise.
type onLog struct {
	slog.Handler
	message string
	version uint64
	do      func()
}

func (h *onLog) Handle(ctx context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if r.Message == h.message && a.Key == "version" && a.Value.Uint64() == h.version && h.do != nil {
			do := h.do
			h.do = nil
			do()
		}
		return true
	})
	return h.Handler.Handle(ctx, r)
}

func hooked(o engine.Options, message string, version uint64, do func()) engine.Options {
	o.Log = slog.New(&onLog{Handler: o.Log.Handler(), message: message, version: version, do: do})
	o.Postgres.Log = o.Log
	return o
}

func TestAnEndedRunTellsHowFarItCame(t *testing.T) {
	t.Parallel()
	why := &engine.SignalError{}
	for _, c := range []struct {
		name, message string
		at            uint64
		down          bool
		want          string // of the version table, "" for none
		applied       int
		reached       int
	}{
		{"before the first, up", "migration starts", 1, false, "", 0, plan.NoVersion},
		{"between two, up", "migration done", 1, false, "1 f", 1, 1},
		{"as the last begins, up", "migration starts", 3, false, "2 f", 2, 2},
		{"before the first, down", "migration starts", 3, true, "3 f", 0, 3},
		{"between two, down", "migration done", 2, true, "1 f", 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := database(t)
			o := options(t, d, folder(t, three))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			run := engine.Up
			if c.down {
				_, err := engine.Up(ctx, o)
				require.NoError(t, err)
				run = func(ctx context.Context, o engine.Options) (engine.Result, error) { return engine.Down(ctx, o, 0) }
			}
			result, err := run(ctx, hooked(o, c.message, c.at, func() { cancel(why) }))
			assert.Equal(t, engine.Result{}, result)
			var ended *engine.RunError
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
			require.NoError(t, err, "the next run goes on")
			assert.Equal(t, 3-c.applied, rest.Applied)
		})
	}
}

func TestAFailedMigrationEndsTheRun(t *testing.T) {
	t.Parallel()
	d := database(t)
	o := options(t, d, folder(t, three+"-- 2_b.up.sql --\nINSERT INTO a VALUES (2), ('two');\n"))
	_, err := engine.Up(t.Context(), o)
	var ended *engine.RunError
	require.ErrorAs(t, err, &ended)
	assert.Equal(t, 1, ended.Applied)
	assert.Equal(t, 1, ended.At())
	assert.Equal(t, 3, ended.Plan.To)
	var failed *postgres.MigrationError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "2_b.up.sql", failed.File)
	assert.Equal(t, postgres.RolledBack, failed.Outcome)
	assert.Equal(t, "1 f", d.Value(t, version))
	assert.Equal(t, "0", d.Value(t, "SELECT count(*) FROM a"))
}

// TestSuccessIsReadBack: somebody writes the version table after the last commit.
func TestSuccessIsReadBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, change string
		want         engine.IncompleteError
	}{
		{"other version", "UPDATE schema_migrations SET version = 2", engine.IncompleteError{Want: 3, Got: 2}},
		{"dirty", "UPDATE schema_migrations SET dirty = true", engine.IncompleteError{Want: 3, Got: 3, Dirty: true}},
		{"emptied", "TRUNCATE schema_migrations", engine.IncompleteError{Want: 3, Got: plan.NoVersion}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := database(t)
			o := hooked(options(t, d, folder(t, three)), "migration done", 3, func() { d.Exec(t, c.change) })
			_, err := engine.Up(t.Context(), o)
			var ended *engine.RunError
			require.ErrorAs(t, err, &ended)
			assert.Equal(t, 3, ended.Applied)
			var incomplete *engine.IncompleteError
			require.ErrorAs(t, err, &incomplete)
			assert.Equal(t, c.want, *incomplete)
		})
	}
}

func TestADatabaseNewerThanTheFiles(t *testing.T) {
	t.Parallel()
	d := database(t)
	_, err := engine.Up(t.Context(), options(t, d, folder(t, three+"-- 9_d.up.sql --\nCREATE TABLE nine (a int);\n")))
	require.NoError(t, err)
	before := catalog(t, d)
	o := options(t, d, folder(t, three))

	result, err := engine.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, engine.Result{From: 9, To: 9, Newer: true}, result)

	var refusal *plan.Refusal
	strict := o
	strict.OnNewer = plan.FailNewer
	_, err = engine.Up(t.Context(), strict)
	require.ErrorAs(t, err, &refusal)
	_, err = engine.Down(t.Context(), o, 1)
	require.ErrorAs(t, err, &refusal)

	status, err := engine.ReadStatus(t.Context(), o)
	require.NoError(t, err)
	assert.False(t, status.Known)
	assert.EqualValues(t, 9, *status.Version)
	assert.EqualValues(t, 3, status.Latest)
	assert.Empty(t, status.Pending)
	assert.Len(t, status.Applied, 3)
	assert.Equal(t, before, catalog(t, d))
}

func TestStatusChangesNothing(t *testing.T) {
	t.Parallel()
	d := database(t)
	before := catalog(t, d)
	status, err := engine.ReadStatus(t.Context(), options(t, d, folder(t, three)))
	require.NoError(t, err)
	assert.Nil(t, status.Version)
	assert.True(t, status.Known)
	assert.Equal(t, []engine.FileInfo{{Version: 1, Name: "a"}, {Version: 2, Name: "b"}, {Version: 3, Name: "c"}}, status.Pending)
	assert.Empty(t, status.Applied)
	assert.Equal(t, before, catalog(t, d), "not even the version table is made")
}

func TestVersionZeroIsAVersion(t *testing.T) {
	t.Parallel()
	d := database(t)
	o := options(t, d, folder(t, "-- 0_zero.up.sql --\nCREATE TABLE z (a int);\n-- 0_zero.down.sql --\nDROP TABLE z;\n"+three))
	_, err := engine.Up(t.Context(), o)
	require.NoError(t, err)
	result, err := engine.Down(t.Context(), o, 0)
	require.NoError(t, err)
	assert.Equal(t, engine.Result{From: 3, To: 0, Applied: 3}, result)
	assert.Equal(t, "0 f", d.Value(t, version))
	assert.Equal(t, "z", d.Value(t, "SELECT concat(to_regclass('z'), to_regclass('a'))"))
}

func TestFilesAreReadBeforeTheDatabaseIsAsked(t *testing.T) {
	t.Parallel()
	o := options(t, &pgtest.Database{Name: "x", User: "x", Password: "x", Host: "127.0.0.1", Port: 1}, t.TempDir())
	_, err := engine.Up(t.Context(), o)
	assert.ErrorIs(t, err, source.ErrNoMigrations)
	_, err = engine.ReadStatus(t.Context(), o)
	assert.ErrorIs(t, err, source.ErrNoMigrations)
	o.Source = folder(t, three)
	_, err = engine.Up(t.Context(), o)
	var unreachable *postgres.ConnectError
	assert.ErrorAs(t, err, &unreachable)
}

// gate is a migration that waits until the test lets it go on.
const gate = "-- 1_gate.up.sql --\nSELECT pg_advisory_lock_shared(42), pg_advisory_unlock_shared(42);\n" +
	"-- 2_once.up.sql --\nCREATE TABLE once (a int);\n"

// shut keeps gate waiting until open is called; inside waits for a migrator to stand before it.
func shut(t *testing.T, d *pgtest.Database) (inside, open func()) {
	t.Helper()
	conn, err := d.Admin().Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = conn.ExecContext(t.Context(), "SELECT pg_advisory_lock(42)")
	require.NoError(t, err)
	inside = func() {
		require.Eventually(t, func() bool {
			return d.Value(t, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) == "1"
		}, 20*time.Second, 10*time.Millisecond)
	}
	open = func() {
		_, err := conn.ExecContext(t.Context(), "SELECT pg_advisory_unlock(42)")
		require.NoError(t, err)
	}
	return inside, open
}

func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	d := database(t)
	inside, open := shut(t, d)
	o := options(t, d, folder(t, gate))
	type outcome struct {
		engine.Result
		error
	}
	results := make(chan outcome, 3)
	up := func() {
		r, err := engine.Up(t.Context(), o)
		results <- outcome{r, err}
	}
	go up()
	inside()

	hurried := o
	hurried.Postgres.LockWait = 0
	_, err := engine.Up(t.Context(), hurried)
	var locked *postgres.LockedError
	require.ErrorAs(t, err, &locked)
	assert.Contains(t, locked.Holder, `application_name "shiplock"`)

	go up()
	go up()
	open()
	applied := 0
	for range cap(results) {
		r := <-results
		require.NoError(t, r.error)
		assert.Equal(t, 2, r.To)
		applied += r.Applied
	}
	assert.Equal(t, 2, applied, "each migration has run once")
	assert.Equal(t, "2 f", d.Value(t, version))
}

// TestGolangMigrateAtTheSameTime: its command line and ours exclude each other,
// whoever is first.
func TestGolangMigrateAtTheSameTime(t *testing.T) {
	t.Parallel()
	d := database(t)
	inside, open := shut(t, d)
	dir := folder(t, gate)
	m := stock(t, d, dir)
	done := make(chan error, 1)
	go func() { done <- m.Up() }()
	inside()
	o := options(t, d, dir)
	_, err := engine.Down(t.Context(), o, 0)
	var refusal *plan.Refusal
	require.ErrorAs(t, err, &refusal, "golang-migrate has marked the version dirty")
	open()
	require.NoError(t, <-done)
	result, err := engine.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, engine.Result{From: 2, To: 2}, result)

	d = database(t)
	inside, open = shut(t, d)
	o = options(t, d, dir)
	m = stock(t, d, dir)
	go func() {
		_, err := engine.Up(context.WithoutCancel(t.Context()), o)
		done <- err
	}()
	inside()
	m.LockTimeout = 100 * time.Millisecond
	require.Error(t, m.Up(), "it cannot have the lock")
	open()
	require.NoError(t, errors.Join(<-done))
	assert.Equal(t, "2 f", d.Value(t, version))
}
