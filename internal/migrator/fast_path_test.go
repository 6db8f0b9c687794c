package migrator_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

const recordedDigests = "SELECT count(files_digest) || ' ' || coalesce((SELECT (files_digest IS NOT NULL)::text FROM schema_migrations_history ORDER BY run_id DESC LIMIT 1), '') FROM schema_migrations_history"

func mustUp(t *testing.T, o migrator.Options) migrator.Result {
	t.Helper()
	result, err := migrator.Up(t.Context(), o)
	require.NoError(t, err)
	return result
}

// TestUp_NothingPending_TwoQueries checks that the number of queries does not depend on the
// number of migrations, and that the history rows are not read.
func TestUp_NothingPending_TwoQueries(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 200} {
		d, proxy := newDatabase(t).Proxied(t, 0)
		o := newOptions(t, d, fixture.Files(t, variedMigrations(n)))
		mustUp(t, o)
		before := proxy.RoundTrips()
		assert.Equal(t, migrator.Result{From: n, To: n}, mustUp(t, o))
		assert.Equal(t, 3, proxy.RoundTrips()-before, "%d migrations: the login, the identity, the version", n)
	}
}

// TestUp_WaitsForLock_NothingLeftToDo checks that a waiting run ends while another session still holds the lock, so that fifty runs need not take it in turn.
func TestUp_WaitsForLock_NothingLeftToDo(t *testing.T) {
	t.Parallel()
	for name, pooled := range map[string]bool{"directly": false, "behind a pooler": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			o := newOptions(t, d, fixture.Files(t, threeMigrations))
			mustUp(t, o)
			d.Exec(t, "UPDATE schema_migrations SET version = 2")
			holder, err := history.Open(t.Context(), o.Postgres.Options, o.Postgres.Tables)
			require.NoError(t, err)
			_, err = lock.Acquire(t.Context(), holder, lock.Options{})
			require.NoError(t, err)
			if pooled {
				o = newOptions(t, d.Pooled(t, "transaction"), o.Source)
			}
			o, log := withFrequentProgress(o)
			type end struct {
				result migrator.Result
				err    error
			}
			ended := make(chan end, 1)
			go func() {
				result, err := migrator.Up(t.Context(), o)
				ended <- end{result, err}
			}()
			require.Eventually(t, func() bool {
				return d.Value(t, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%THEN files_digest END%' AND pid <> pg_backend_pid() AND datname = current_database()") != "0"
			}, time.Minute, 10*time.Millisecond)
			log.Wait(t, "waiting for another migrator")
			require.Empty(t, ended, "it must wait")
			d.Exec(t, "UPDATE schema_migrations SET version = 3")
			e := <-ended
			require.NoError(t, e.err)
			assert.Equal(t, migrator.Result{From: 3, To: 3}, e.result)
			require.NoError(t, holder.Close())
		})
	}
}

// TestUp_DigestRecorded_DetectsChanges checks that a recorded digest never hides a change
// that a full comparison would find.
func TestUp_DigestRecorded_DetectsChanges(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, o migrator.Options, reason string) {
		t.Helper()
		_, err := migrator.Up(t.Context(), o)
		var refusal *planner.Refusal
		require.ErrorAs(t, err, &refusal)
		assert.Contains(t, refusal.Error(), reason)
	}
	for name, c := range map[string]func(t *testing.T, d *pgtest.Database, o migrator.Options){
		"an edit that keeps size and time": func(t *testing.T, _ *pgtest.Database, o migrator.Options) {
			path := filepath.Join(o.Source, "2_b.up.sql")
			info, err := os.Stat(path)
			require.NoError(t, err)
			overwriteFile(t, o, "2_b.up.sql", strings.ReplaceAll(readFile(t, path), "(2)", "(7)"))
			require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
			refused(t, o, "2_b.up.sql was edited")
		},
		"a comment is no edit": func(t *testing.T, _ *pgtest.Database, o migrator.Options) {
			overwriteFile(t, o, "2_b.up.sql", "-- two\n"+readFile(t, filepath.Join(o.Source, "2_b.up.sql")))
			assert.Equal(t, migrator.Result{From: 3, To: 3}, mustUp(t, o))
		},
		"one merged late": func(t *testing.T, _ *pgtest.Database, o migrator.Options) {
			require.NoError(t, os.Rename(filepath.Join(o.Source, "2_b.up.sql"), filepath.Join(o.Source, "02_b.up.sql")))
			assert.Equal(t, migrator.Result{From: 3, To: 3}, mustUp(t, o), "another name of the same version")
			overwriteFile(t, o, "0_x.up.sql", "SELECT 1")
			refused(t, o, "0_x.up.sql is pending")
		},
		"a new one": func(t *testing.T, d *pgtest.Database, o migrator.Options) {
			overwriteFile(t, o, "4_d.up.sql", "INSERT INTO a VALUES (4)")
			assert.Equal(t, 1, mustUp(t, o).Applied)
			assert.Equal(t, "2 true", d.Value(t, recordedDigests))
		},
		"down, and up again": func(t *testing.T, d *pgtest.Database, o migrator.Options) {
			_, err := migrator.Down(t.Context(), o, 1)
			require.NoError(t, err)
			assert.Equal(t, "1 false", d.Value(t, recordedDigests))
			assert.Equal(t, 2, mustUp(t, o).Applied)
			assert.Equal(t, "3", d.Value(t, "SELECT max(b) FROM a"))
		},
		"down, and back by golang-migrate": func(t *testing.T, d *pgtest.Database, o migrator.Options) {
			require.NoError(t, newGolangMigrate(t, d, o.Source).Migrate(2))
			assert.Equal(t, 1, mustUp(t, o).Applied)
		},
		"dirty": func(t *testing.T, d *pgtest.Database, o migrator.Options) {
			d.Exec(t, "UPDATE schema_migrations SET dirty = true")
			refused(t, o, "dirty")
		},
		"a version table that was emptied": func(t *testing.T, d *pgtest.Database, o migrator.Options) {
			d.Exec(t, "DELETE FROM schema_migrations; DROP TABLE a")
			assert.Equal(t, 3, mustUp(t, o).Applied)
		},
		"a failure after it": func(t *testing.T, d *pgtest.Database, o migrator.Options) {
			overwriteFile(t, o, "4_d.up.sql", "SELECT 1/0")
			_, err := migrator.Up(t.Context(), o)
			require.Error(t, err)
			assert.Equal(t, "2 false", d.Value(t, "SELECT count(*) FILTER (WHERE run_outcome = 'failed' OR files_digest IS NOT NULL) || ' ' || bool_or(run_outcome = 'failed' AND files_digest IS NULL) FROM schema_migrations_history"))
			require.NoError(t, os.Remove(filepath.Join(o.Source, "4_d.up.sql")))
			assert.Equal(t, migrator.Result{From: 3, To: 3}, mustUp(t, o))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			o := newOptions(t, d, fixture.Files(t, threeMigrations))
			mustUp(t, o)
			require.Equal(t, "1 true", d.Value(t, recordedDigests))
			c(t, d, o)
		})
	}
}

// TestUp_PendingOrEdited_RecordsNoDigest checks that no digest is recorded if something is pending or edited.
func TestUp_PendingOrEdited_RecordsNoDigest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		run  func(t *testing.T, d *pgtest.Database, o migrator.Options)
		want string
	}{
		"a file that changes after it ran": {func(t *testing.T, _ *pgtest.Database, o migrator.Options) {
			mustUp(t, withLogHook(o, "migration completed", 1, func() { overwriteFile(t, o, "1_a.up.sql", "CREATE TABLE a (b int); SELECT 1") }))
		}, "0 false"},
		"an edit that was let pass": {func(t *testing.T, _ *pgtest.Database, o migrator.Options) {
			third := readFile(t, filepath.Join(o.Source, "3_c.up.sql"))
			require.NoError(t, os.Remove(filepath.Join(o.Source, "3_c.up.sql")))
			require.NoError(t, os.Remove(filepath.Join(o.Source, "3_c.down.sql")))
			mustUp(t, o)
			overwriteFile(t, o, "1_a.up.sql", "CREATE TABLE a (b int, c int)")
			overwriteFile(t, o, "3_c.up.sql", third)
			o.Policy.OnEdited = planner.AllowEdited
			mustUp(t, o)
			o.Policy.OnEdited = planner.FailEdited
			_, err := migrator.Up(t.Context(), o)
			require.Error(t, err)
		}, "1 false"},
		"a run that continued with another file": {func(t *testing.T, d *pgtest.Database, o migrator.Options) {
			overwriteFile(t, o, "3_c.up.sql", "CREATE INDEX CONCURRENTLY i ON a (b); CREATE INDEX CONCURRENTLY j ON a (c)")
			_, err := migrator.Up(t.Context(), o)
			require.Error(t, err)
			assert.Equal(t, "1 true", d.Value(t, recordedDigests), "with the row, which does not count before it is done")
			overwriteFile(t, o, "3_c.up.sql", "CREATE INDEX CONCURRENTLY i ON a (b); CREATE INDEX CONCURRENTLY j ON a (b)")
			mustUp(t, o)
		}, "0 false"},
		"one out of order, while another was to be resumed": {func(t *testing.T, d *pgtest.Database, o migrator.Options) {
			overwriteFile(t, o, "3_c.up.sql", "CREATE INDEX CONCURRENTLY i ON a (b); CREATE UNIQUE INDEX CONCURRENTLY j ON a (b)")
			overwriteFile(t, o, "2_b.up.sql", "INSERT INTO a VALUES (2), (2)")
			_, err := migrator.Up(t.Context(), o)
			require.Error(t, err)
			d.Exec(t, "DELETE FROM a WHERE ctid = (SELECT min(ctid) FROM a)")
			overwriteFile(t, o, "0_x.up.sql", "SELECT 1")
			overwriteFile(t, o, "4_d.up.sql", "SELECT 1")
			assert.Equal(t, 2, mustUp(t, o).Applied)
			_, err = migrator.Up(t.Context(), o)
			require.Error(t, err, "0_x has not run")
		}, "0 false"},
		"what another tool has done is taken over": {func(t *testing.T, d *pgtest.Database, o migrator.Options) {
			require.NoError(t, newGolangMigrate(t, d, o.Source).Up())
			mustUp(t, o)
		}, "1 true"},
		"all in one transaction": {func(t *testing.T, _ *pgtest.Database, o migrator.Options) {
			o.TxMode = migrator.TxModeAll
			mustUp(t, o)
		}, "1 true"},
		"behind a pooler": {func(t *testing.T, d *pgtest.Database, o migrator.Options) {
			pooled := newOptions(t, d.Pooled(t, "transaction"), o.Source)
			mustUp(t, pooled)
			assert.Equal(t, migrator.Result{From: 3, To: 3}, mustUp(t, pooled))
		}, "1 true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			o := newOptions(t, d, fixture.Files(t, threeMigrations))
			c.run(t, d, o)
			assert.Equal(t, c.want, d.Value(t, recordedDigests))
		})
	}
}

func overwriteFile(t *testing.T, o migrator.Options, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(o.Source, file), []byte(text), 0o600))
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
