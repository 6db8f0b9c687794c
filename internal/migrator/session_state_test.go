package migrator_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	migratedb "github.com/golang-migrate/migrate/v4/database"
	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// leaves is SQL that leaves every kind of session state. LEAVER stands for a role, CURSORS for statements with cursors.
const leaves = `
CREATE TEMP TABLE users AS SELECT 1 AS id;
CREATE TEMP VIEW all_users AS SELECT * FROM users;
CREATE TEMP SEQUENCE numbers;
SELECT nextval('numbers');
CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TEMP TABLE later (a int, CONSTRAINT once UNIQUE (a) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO later VALUES (1), (2);
UPDATE later SET a = 3 - a;
PREPARE mine AS SELECT 1;
LISTEN news;
SELECT nextval('counted');
SELECT setseed(0.5);
SELECT pg_advisory_lock(7), pg_advisory_lock(7), pg_advisory_lock_shared(8), pg_advisory_lock(1, 2), pg_advisory_lock_shared(7);
CURSORS
SET my.own = 'mine';
SET statement_timeout = '12345s';
SET ROLE LEAVER;
SET search_path = pg_catalog;
`

// cursors are left by transactional migrations.
const cursors = "DECLARE held CURSOR WITH HOLD FOR SELECT * FROM pg_temp.users;\nDECLARE open CURSOR FOR SELECT * FROM pg_temp.users;\n"

// left is a query for the session state; clean is its result in a session that holds only Shiplock's lock.
const (
	left = `SELECT concat_ws(',', (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()), (SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema()),
	(SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'), (SELECT count(*) FROM pg_cursors WHERE name <> ''), (SELECT count(*) FROM pg_listening_channels()),
	current_setting('my.own', true), current_setting('statement_timeout'), current_setting('search_path'), current_user = session_user,
	(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()))`
	clean = `0,0,0,0,0,,0,"$user", public,t,1`
)

// unseeded fails if random() continues after setseed(0.5).
const unseeded = "DO $$ DECLARE next float8 := random(); BEGIN PERFORM setseed(0.5); IF next = random() THEN RAISE 'random() can be predicted'; END IF; END $$;\n"

const unnumbered = "DO $$ BEGIN PERFORM lastval(); RAISE 'lastval() has a value'; EXCEPTION WHEN object_not_in_prerequisite_state THEN NULL; END $$;\n"

// createRole creates a role that d's owner may set, and the tables that leaves needs.
func createRole(t *testing.T, d *pgtest.Database, withCursors bool) string {
	t.Helper()
	role := d.User + " leaver"
	d.Exec(t, "CREATE ROLE "+pq.QuoteIdentifier(role))
	d.Exec(t, "GRANT "+pq.QuoteIdentifier(role)+" TO "+pq.QuoteIdentifier(d.User))
	t.Cleanup(func() { d.Exec(t, "DROP ROLE "+pq.QuoteIdentifier(role)) })
	_, err := d.Open(t).Exec("CREATE TABLE users (id int); CREATE SEQUENCE counted")
	require.NoError(t, err)
	open := ""
	if withCursors {
		open = cursors
	}
	return strings.NewReplacer("LEAVER", pq.QuoteIdentifier(role), "CURSORS", open).Replace(leaves)
}

// TestUp_SessionState_ResetBetweenMigrations checks that the next migration runs in a session without state.
func TestUp_SessionState_ResetBetweenMigrations(t *testing.T) {
	t.Parallel()
	const next = "ALTER TABLE users ADD COLUMN phone text;\n" + unseeded + unnumbered + "CREATE TABLE seen AS " + left + ";\n"
	for name, c := range map[string]struct {
		wrap    string
		cursors bool
		txMode  migrator.TxMode
		pooled  bool
		server  int
	}{
		"in a transaction":            {wrap: "%s", cursors: true},
		"in the file's own":           {wrap: "BEGIN;%sCOMMIT;", cursors: true},
		"statement by statement":      {wrap: "-- shiplock:no-transaction\n%s"},
		"several transactions":        {wrap: "BEGIN;%sCOMMIT; BEGIN; SELECT 1; COMMIT; SET default_transaction_read_only = on;", cursors: true},
		"a release at once":           {wrap: "%s", cursors: true, txMode: migrator.TxModeAll},
		"behind a pooler":             {wrap: "%s", cursors: true, pooled: true},
		"behind a pooler, a release":  {wrap: "%s", cursors: true, pooled: true, txMode: migrator.TxModeAll},
		"PostgreSQL 18":               {wrap: "%s", cursors: true, server: 18},
		"PostgreSQL 18, by statement": {wrap: "-- shiplock:no-transaction\n%s", server: 18},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			if c.server > 0 {
				d = pgtest.Version(t, c.server)
			}
			sql := fmt.Sprintf(c.wrap, createRole(t, d, c.cursors))
			dir := fixture.Files(t, "-- 1_a.up.sql --\nSELECT 1;\n-- 1_a.down.sql --\n"+next+
				"-- 2_leaves.up.sql --\n"+sql+"\n-- 2_leaves.down.sql --\n"+sql+"\n-- 3_next.up.sql --\n"+next+"-- 3_next.down.sql --\nALTER TABLE users DROP COLUMN phone; DROP TABLE seen;\n")
			there := d
			if c.pooled {
				there = d.Pooled(t, "transaction", "default_pool_size = 1")
			}
			o := newOptions(t, there, dir)
			o.TxMode, o.Postgres.WaitForDB = c.txMode, time.Minute
			_, err := migrator.Up(t.Context(), o)
			require.NoError(t, err)
			assert.Equal(t, clean, d.Value(t, "SELECT * FROM seen"), "up")
			if !c.pooled { // the look at what a down would delete wants a second server, and the pool has one
				_, err = migrator.Down(t.Context(), o, 0)
				require.NoError(t, err)
				assert.Equal(t, clean, d.Value(t, "SELECT * FROM seen"), "down")
			}
			assert.Equal(t, "1", d.Value(t, "SELECT count(*) FROM information_schema.columns WHERE table_name = 'users' AND column_name = 'phone'"))
			if c.pooled {
				assert.Equal(t, strings.TrimSuffix(clean, "1")+"0", queryValue(t, there, left), "the application's next session")
			}
		})
	}
}

// queryValue returns the result of a query by a client of d.
func queryValue(t *testing.T, d *pgtest.Database, query string) (answer string) {
	t.Helper()
	db, err := sql.Open("postgres", d.URL())
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.QueryRow(query).Scan(&answer))
	return answer
}

// TestUp_PooledMigrationFails_SessionStateReset covers PREPARE, advisory locks and sequences, which outlive a
// ROLLBACK. Statements prepared by the application are kept.
func TestUp_PooledMigrationFails_SessionStateReset(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	pooled := d.Pooled(t, "transaction", "default_pool_size = 1")
	app := func(query string) error {
		db, err := sql.Open("postgres", pooled.URL())
		require.NoError(t, err)
		defer db.Close()
		_, err = db.Exec(query)
		return err
	}
	sql := createRole(t, d, true)
	require.NoError(t, app("PREPARE application AS SELECT 1; CREATE TEMP TABLE users (id int)"))
	dir := fixture.Files(t, "-- 1_a.up.sql --\nALTER TABLE users ADD COLUMN phone text;\n-- 2_leaves.up.sql --\n"+sql+"SELECT nope;\n")
	o := newOptions(t, pooled, dir)
	o.Postgres.WaitForDB = time.Minute
	_, err := migrator.Up(t.Context(), o)
	var fail *migrationerror.Error
	require.ErrorAs(t, err, &fail)
	assert.Equal(t, "2_leaves.up.sql", fail.File)
	assert.Equal(t, "42703", string(fail.Server().Code))
	assert.Equal(t, strings.TrimSuffix(clean, "1")+"0", queryValue(t, pooled, left))
	require.NoError(t, app(unnumbered))
	require.NoError(t, app("EXECUTE application"))
	assert.Equal(t, "1", d.Value(t, "SELECT count(*) FROM information_schema.columns WHERE table_name = 'users' AND column_name = 'phone'"),
		"and not on the table that the application's session had left")
}

// TestUp_RetryAfterLockTimeout_SessionStateReset covers PREPARE, which outlives the ROLLBACK of the first attempt.
func TestUp_RetryAfterLockTimeout_SessionStateReset(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]string{"one transaction": "%s", "statement by statement": "-- shiplock:no-transaction\n%s"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			app := d.Open(t)
			_, err := app.Exec("CREATE TABLE users (id int)")
			require.NoError(t, err)
			tx, err := app.Begin()
			require.NoError(t, err)
			_, err = tx.Exec("SELECT * FROM users")
			require.NoError(t, err)
			o := newOptions(t, d, fixture.Files(t, "-- 1_a.up.sql --\n"+fmt.Sprintf(wrap, "PREPARE mine AS SELECT 1;\nALTER TABLE users ADD COLUMN phone text;\nEXECUTE mine;\n")))
			o.Postgres.LockTimeout = 200 * time.Millisecond
			done := make(chan error, 1)
			go func() {
				_, err := migrator.Up(t.Context(), o)
				done <- err
			}()
			fixture.Eventually(t, d, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'shiplock' AND wait_event_type = 'Lock'", "1")
			fixture.Eventually(t, d, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'shiplock' AND wait_event_type = 'Lock'", "0")
			require.NoError(t, tx.Commit())
			require.NoError(t, <-done)
		})
	}
}

// TestUp_DeferredConstraintFails_ReportsItsMigration checks both transaction modes, and that the constraints of the
// next migration are deferred as by default.
func TestUp_DeferredConstraintFails_ReportsItsMigration(t *testing.T) {
	t.Parallel()
	const first = "-- 1_tables.up.sql --\nCREATE TABLE a (id int PRIMARY KEY);\n" +
		"CREATE TABLE b (a int CONSTRAINT known REFERENCES a DEFERRABLE INITIALLY DEFERRED, c int CONSTRAINT at_once REFERENCES a DEFERRABLE);\n"
	for _, txMode := range []migrator.TxMode{migrator.TxModeFile, migrator.TxModeAll} {
		t.Run(fmt.Sprint(txMode), func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			o := newOptions(t, d, fixture.Files(t, first+"-- 2_rows.up.sql --\nINSERT INTO b (a) VALUES (7);\n-- 3_last.up.sql --\nSELECT 1;\n-- 4_last.up.sql --\nSELECT 1;\n"))
			o.TxMode = txMode
			_, err := migrator.Up(t.Context(), o)
			var fail *migrationerror.Error
			require.ErrorAs(t, err, &fail)
			assert.Equal(t, "2_rows.up.sql", fail.File)
			assert.Equal(t, "known", fail.Server().Constraint)
			assert.Equal(t, migrationerror.RolledBack, fail.Outcome)
			o.Source = fixture.Files(t, first+"-- 2_rows.up.sql --\nINSERT INTO b (a) VALUES (7);\nINSERT INTO a VALUES (7);\n"+
				"-- 3_rows.up.sql --\nINSERT INTO b (a) VALUES (8);\nINSERT INTO a VALUES (8);\n"+
				"-- 4_table.up.sql --\nCREATE TABLE e (a int REFERENCES a DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO e VALUES (9);\nINSERT INTO a VALUES (9);\n")
			_, err = migrator.Up(t.Context(), o)
			require.NoError(t, err)
			assert.Equal(t, "7,8", d.Value(t, "SELECT string_agg(a::text, ',' ORDER BY a) FROM b"))
		})
	}
}

// TestUp_AdvisoryUnlockInMigration_KeepsLock checks that no other session gets the lock between two migrations, although the migration's own locks are released.
func TestUp_AdvisoryUnlockInMigration_KeepsLock(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	waitForBlocked, release := holdAdvisoryLock(t, d)
	var files strings.Builder
	for v := 3; v <= 40; v++ {
		fmt.Fprintf(&files, "-- %d_x.up.sql --\nSELECT pg_advisory_lock(7), pg_advisory_lock(1, 2);\n", v)
	}
	o := newOptions(t, d, fixture.Files(t, blockingMigration+files.String()))
	done := make(chan error, 1)
	go func() {
		_, err := migrator.Up(t.Context(), o)
		done <- err
	}()
	waitForBlocked()
	key, err := migratedb.GenerateAdvisoryLockId("/"+d.Name, "public", "schema_migrations")
	require.NoError(t, err)
	thief := d.Open(t)
	release()
	for free := false; !free; {
		require.NoError(t, thief.QueryRow("SELECT pg_try_advisory_xact_lock("+key+")").Scan(&free))
	}
	assert.Equal(t, "40 f", d.Value(t, version), "free only at the end")
	require.NoError(t, <-done)
}
