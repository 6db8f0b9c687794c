package migrator_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	migratedb "github.com/golang-migrate/migrate/v4/database"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// insertingMigrations returns n migrations, each of which inserts its version into a table.
func insertingMigrations(n int) string {
	var out strings.Builder
	out.WriteString("-- 1_log.up.sql --\nCREATE TABLE log (version int);\nINSERT INTO log VALUES (1);\n")
	for v := 2; v <= n; v++ {
		fmt.Fprintf(&out, "-- %d_note.up.sql --\nCREATE TABLE t%[1]d (a int);\nINSERT INTO log VALUES (%[1]d);\n", v)
	}
	return out.String()
}

const everyVersionOnce = "SELECT concat(count(*), ' ', count(DISTINCT version), ' ', max(version)) FROM log"

func TestUp_ManyAtOnceThroughPooler_RunsOnce(t *testing.T) {
	t.Parallel()
	const migrations, migrators = 12, 8
	for name, c := range map[string]struct {
		mode     string
		settings []string
		txMode   migrator.TxMode
	}{
		"session":                        {mode: "session"},
		"session, one server":            {mode: "session", settings: []string{"default_pool_size = 1"}},
		"transaction":                    {mode: "transaction"},
		"transaction, one server":        {mode: "transaction", settings: []string{"default_pool_size = 1"}},
		"transaction, servers in turn":   {mode: "transaction", settings: []string{"server_round_robin = 1", "min_pool_size = 5"}},
		"transaction, a release at once": {mode: "transaction", txMode: migrator.TxModeAll},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			pooled := d.Pooled(t, c.mode, c.settings...)
			dir := fixture.Files(t, insertingMigrations(migrations))
			var wg sync.WaitGroup
			var mu sync.Mutex
			applied := 0
			for range migrators {
				wg.Go(func() {
					o := newOptions(t, pooled, dir)
					o.Postgres.WaitForDB, o.TxMode = time.Minute, c.txMode
					result, err := migrator.Up(t.Context(), o)
					assert.NoError(t, err)
					assert.Equal(t, migrations, result.To)
					mu.Lock()
					defer mu.Unlock()
					applied += result.Applied
				})
			}
			wg.Wait()
			assert.Equal(t, migrations, applied, "as they count it")
			assert.Equal(t, fmt.Sprintf("%d %[1]d %[1]d", migrations), d.Value(t, everyVersionOnce))
			assert.Equal(t, fmt.Sprintf("%d f", migrations), d.Value(t, version))
			assert.Equal(t, fmt.Sprint(migrations), d.Value(t, "SELECT string_agg(n::text, ' ') FROM (SELECT count(*) n FROM schema_migrations_history GROUP BY run_outcome) _"))
			fixture.Eventually(t, d, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())", "0")
		})
	}
}

func pooledOptions(t *testing.T, d *pgtest.Database, archive string) migrator.Options {
	t.Helper()
	return newOptions(t, d.Pooled(t, "transaction", "default_pool_size = 2"), fixture.Files(t, archive))
}

func TestUp_SessionRequiredBehindPooler_Refuses(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	o := pooledOptions(t, d, insertingMigrations(1)+"-- 2_index.up.sql --\n\nCREATE INDEX CONCURRENTLY ON log (version);\n")
	_, err := migrator.Up(t.Context(), o)
	var session *executor.SessionRequiredError
	require.ErrorAs(t, err, &session)
	assert.Equal(t, "2_index.up.sql", session.File)
	assert.Equal(t, 2, session.Line)
	assert.Empty(t, d.Value(t, tables), "nothing of the first one either")
	assert.Equal(t, "0", d.Value(t, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"))
}

func TestUp_PoolerInStatementMode_Refuses(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	_, err := migrator.Up(t.Context(), newOptions(t, d.Pooled(t, "statement"), fixture.Files(t, insertingMigrations(1))))
	require.ErrorIs(t, err, lock.ErrStatementPooling)
}

func TestUp_SettingBehindPooler_NotLeaked(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	o := pooledOptions(t, d, insertingMigrations(1)+"-- 2_path.up.sql --\nSET search_path = pg_catalog;\nSET lock_timeout = '1234';\n-- 3_bad.up.sql --\nSET search_path = pg_catalog; SELECT nope;\n")
	_, err := migrator.Up(t.Context(), o)
	var fail *migrationerror.Error
	require.ErrorAs(t, err, &fail)
	assert.Equal(t, "3_bad.up.sql", fail.File)
	o.Source = fixture.Files(t, insertingMigrations(1)+"-- 2_path.up.sql --\nSET search_path = pg_catalog;\nSET lock_timeout = '1234';\n-- 3_look.up.sql --\n"+
		"CREATE TABLE seen AS SELECT current_setting('search_path') AS path, current_setting('lock_timeout') AS lock;\n")
	_, err = migrator.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, `"$user", public 0`, d.Value(t, "SELECT path || ' ' || lock FROM seen"))
}

// TestUp_BehindPooler_ExcludesGolangMigrate checks that the transaction lock has golang-migrate's key.
func TestUp_BehindPooler_ExcludesGolangMigrate(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	waitForBlocked, release := holdAdvisoryLock(t, d)
	dir := fixture.Files(t, blockingMigration)
	o := newOptions(t, d.Pooled(t, "transaction"), dir)
	done := make(chan error, 1)
	go func() {
		_, err := migrator.Up(t.Context(), o)
		done <- err
	}()
	waitForBlocked()
	key, err := migratedb.GenerateAdvisoryLockId("/"+d.Name, "public", "schema_migrations")
	require.NoError(t, err)
	assert.Equal(t, "false", d.Value(t, "SELECT pg_try_advisory_lock("+key+")"))
	release()
	require.NoError(t, <-done)
}

func TestRepair_BehindPooler_Resolves(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	direct := newOptions(t, d, fixture.Files(t, insertingMigrations(1)+"-- 2_part.up.sql --\n-- shiplock:no-transaction\nINSERT INTO log VALUES (2);\nSELECT nope;\n"))
	_, err := migrator.Up(t.Context(), direct)
	require.Error(t, err)
	require.Equal(t, "2 t", d.Value(t, version))
	pooled := newOptions(t, d.Pooled(t, "transaction"), direct.Source)
	_, err = migrator.Up(t.Context(), pooled)
	var session *executor.SessionRequiredError
	require.ErrorAs(t, err, &session, "it cannot resume here")
	_, err = migrator.Repair(t.Context(), pooled, migrator.MigrationApplied, 0)
	require.NoError(t, err)
	assert.Equal(t, "2 f", d.Value(t, version))
	others := newOptions(t, d.Pooled(t, "transaction"), fixture.Files(t, "-- 1_log.up.sql --\nSELECT 1;\n-- 1_log.down.sql --\nDROP TABLE log;\n-- 2_part.up.sql --\nSELECT 1;\n-- 2_part.down.sql --\nSELECT 1;\n"))
	others.Policy.OnEdited = planner.AllowEdited // nothing of them has run
	result, err := migrator.Down(t.Context(), others, 0)
	require.NoError(t, err)
	assertResult(t, migrator.Result{From: 2, To: planner.NoVersion, Applied: 2}, []string{"2 part down", "1 log down"}, result)
}
