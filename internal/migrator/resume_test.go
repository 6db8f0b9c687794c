package migrator_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

const resumeBase = `
-- 1_base.up.sql --
CREATE SCHEMA shop;
CREATE TABLE shop.users (id int, email text);
CREATE TABLE users (id int, email text);
INSERT INTO shop.users VALUES (1, 'a'), (2, 'a');
INSERT INTO users VALUES (1, 'a'), (2, 'a');
CREATE TABLE log (n int, what text DEFAULT current_setting('TimeZone') || ' ' || coalesce(current_setting('app.tenant', true), ''));
CREATE FUNCTION become(tenant text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('app.tenant', tenant, false); END $$;
CREATE FUNCTION in_shop() RETURNS void LANGUAGE sql AS $$ SELECT set_config('search_path', 'shop, public', false) $$;
-- 1_base.down.sql --
SELECT 1;
-- 2_x.up.sql --
`

// interruptedRun applies a file that fails at the unique index, and then removes the duplicates.
func interruptedRun(t *testing.T, d *pgtest.Database, archive string) migrator.Options {
	t.Helper()
	o := newOptions(t, d, fixture.Files(t, resumeBase+archive))
	_, err := migrator.Up(t.Context(), o)
	var failed *migrationerror.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, migrationerror.PartiallyApplied, failed.Outcome, "%v", err)
	d.Exec(t, "DELETE FROM users WHERE id = 2; DELETE FROM shop.users WHERE id = 2")
	return o
}

const failsOnDuplicates = "CREATE UNIQUE INDEX CONCURRENTLY users_email ON users (email);\n"

func TestResume_SessionSettings_RestoredBeforeTheRestRuns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, after, query, want string }{
		"search path": {"SET search_path = shop, public;\nCREATE INDEX CONCURRENTLY users_id ON users (id);\n", "CREATE TABLE bills (id int);",
			"SELECT concat_ws(' ', to_regclass('shop.bills'), to_regclass('shop.users_email'), to_regclass('shop.users_id'), to_regclass('public.bills'), to_regclass('public.users_email'))",
			"shop.bills shop.users_email shop.users_id"},
		"time zone":                   {"SET TIME ZONE 'Asia/Tokyo';", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "Asia/Tokyo "},
		"time zone interval":          {"SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE;", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "<+02>-02 "},
		"custom setting":              {"SET app.tenant = 'one';", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC one"},
		"by function":                 {"SELECT become('two');", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC two"},
		"by function, path":           {"SELECT in_shop();", "CREATE TABLE bills (id int);", "SELECT to_regclass('shop.bills')", "shop.bills"},
		"by set_config":               {"SELECT set_config('app.tenant', 'thr' || 'ee', false);", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC three"},
		"by DO":                       {"DO $$ BEGIN PERFORM set_config('app.tenant', 'four', false); EXECUTE 'SET timezone = ''Asia/Tokyo'''; END $$;", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "Asia/Tokyo four"},
		"by a trigger":                {"CREATE FUNCTION set_tenant() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM become(''eight''); RETURN NULL; END';CREATE TRIGGER t AFTER UPDATE ON users EXECUTE FUNCTION set_tenant();UPDATE users SET id = id;", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC eight"},
		"in dollar quotes":            {"DO $$ BEGIN PERFORM set_config($t$app.tenant$t$, 'nine', false); END $$;", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC nine"},
		"of the role, for others":     {"ALTER ROLE CURRENT_USER SET timezone = 'Asia/Tokyo';", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC "},
		"of the database, for others": {"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''Asia/Tokyo''', current_database()); END $$;", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC "},
		"local to a part":             {"SET app.tenant = 'five'; BEGIN; SET LOCAL app.tenant = 'six'; SET LOCAL timezone = 'Asia/Tokyo'; COMMIT;", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC five"},
		"set and reset":               {"SET timezone = 'Asia/Tokyo'; SET app.tenant = 'six'; RESET timezone;", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC six"},
		"all reset":                   {"SET timezone = 'Asia/Tokyo'; SET app.tenant = 'six'; RESET ALL;", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC "},
		"discarded":                   {"SET timezone = 'Asia/Tokyo'; CREATE TEMP TABLE users AS SELECT 1 AS email UNION ALL SELECT 1; DISCARD ALL;", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC "},
		"temporary, dropped":          {"CREATE TEMP TABLE t (a int); DROP TABLE t;", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC "},
		"temporary, on commit":        {"BEGIN; CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1; COMMIT;", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC "},
		"lock, released":              {"SELECT pg_advisory_lock(7); SELECT pg_advisory_unlock(7);", "INSERT INTO log VALUES (1);", "SELECT what FROM log", "UTC "},
		"the rest is one transaction": {"SET timezone = 'Asia/Tokyo'; SET app.tenant = 'seven';", "BEGIN; INSERT INTO log VALUES (1); COMMIT;", "SELECT what FROM log", "Asia/Tokyo seven"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			d.Exec(t, fmt.Sprintf("ALTER DATABASE %q SET timezone = 'UTC'", d.Name))
			o := interruptedRun(t, d, strings.ReplaceAll(c.before, ";", ";\n")+failsOnDuplicates+c.after)
			_, err := migrator.Up(t.Context(), o)
			require.NoError(t, err)
			assert.Equal(t, c.want, d.Value(t, c.query))
			assert.Equal(t, "2 f", d.Value(t, version))
		})
	}
}

// TestResume_SessionObjects_Refused covers session state that cannot be restored in another session.
func TestResume_SessionObjects_Refused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, holds string }{
		"temporary table":          {"CREATE TEMP TABLE cart AS SELECT 1 AS a;", "temporary table cart"},
		"temporary sequence":       {"CREATE TEMP SEQUENCE s;", "temporary sequence s"},
		"temporary function":       {"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1';", "temporary function f"},
		"by a function":            {"DO $$ BEGIN CREATE TEMP VIEW v AS SELECT 1; END $$;", "temporary view v"},
		"prepared":                 {"PREPARE p AS SELECT 1;", "prepared statement p"},
		"cursor":                   {"DECLARE c CURSOR WITH HOLD FOR SELECT 1;", "cursor c"},
		"listen":                   {"LISTEN news;", "LISTEN news"},
		"advisory lock":            {"SELECT pg_advisory_lock(7);", "advisory lock 7"},
		"two advisory keys":        {"SELECT pg_advisory_lock(7, -8);", "advisory lock 7, -8"},
		"computed, in a table":     {"CREATE TABLE computed AS SELECT set_config(lower('App.tenant'), 'x', false);", "settings whose names are computed by statement 1"},
		"computed, in a condition": {"UPDATE users SET id = id WHERE set_config('app.' || 'tenant', 'x', false) IS NOT NULL;", "settings whose names are computed by statement 1"},
		"random seed":              {"SELECT setseed(0.5);", "the random seed set by statement 1"},
		"computed name":            {"DO $$ BEGIN PERFORM set_config('app.' || 'tenant', 'x', false); END $$;", "settings whose names are computed by statement 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			o := interruptedRun(t, d, c.before+"\n"+failsOnDuplicates+"DELETE FROM users;")
			_, err := migrator.Up(t.Context(), o)
			var refused *resume.SessionStateError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, []string{c.holds}, refused.LostState)
			assert.Equal(t, 1, refused.Applied)
			assert.Equal(t, "1", d.Value(t, "SELECT count(*) FROM users"), "nothing has run")
			_, err = migrator.Repair(t.Context(), o, migrator.MigrationApplied, 0)
			require.NoError(t, err, "the way out")
		})
	}
}

// TestResume_TwiceStopped_KeepsTheSession checks that settings of the first run are also
// restored in the third.
func TestResume_TwiceStopped_KeepsTheSession(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	o := interruptedRun(t, d, "SET search_path = shop, public;\nSET app.tenant = 'one';\n"+failsOnDuplicates+
		"CREATE TABLE bills (id int);\nCREATE INDEX CONCURRENTLY bills_id ON bills (nope);\nCREATE TABLE more AS SELECT current_setting('app.tenant') AS tenant;")
	_, err := migrator.Up(t.Context(), o)
	var failed *migrationerror.Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, 4, failed.StatementsApplied)
	overwriteFile(t, o, "2_x.up.sql", strings.ReplaceAll(readFile(t, filepath.Join(o.Source, "2_x.up.sql")), "nope", "id"))
	_, err = migrator.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, "one shop.bills_id", d.Value(t, "SELECT tenant || ' ' || to_regclass('shop.bills_id') FROM shop.more"))
}

// TestResume_KilledBeforeStateWritten_RestoresState resets the history row to the time
// between a statement's commit and the state after it, or to that of an older release.
func TestResume_KilledBeforeStateWritten_RestoresState(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, state, holds string }{
		"a SET is run again":           {"SET search_path = shop, public;", "NULL", ""},
		"constants":                    {"SELECT set_config('search_path', 'shop, public', false);", "NULL", ""},
		"SET LOCAL is not":             {"SET search_path = shop, public;\nBEGIN;\nSET LOCAL search_path = public;\nCOMMIT;", "NULL", ""},
		"on top of a state":            {"SET timezone = 'UTC';\nSET search_path = shop, public;", `'{"done": 1, "settings": {"TimeZone": "Asia/Tokyo"}}'`, ""},
		"a function":                   {"SELECT in_shop();", "NULL", "settings that in_shop() may have changed"},
		"DO":                           {"DO $$ BEGIN SET search_path = shop, public; END $$;", "NULL", "settings that the statement may have changed (statement 1)"},
		"a harmless DO":                {"SET search_path = shop, public;\nDO $$ BEGIN UPDATE log SET n = 1; END $$;", "NULL", ""},
		"temporary table":              {"CREATE TEMP TABLE t (a int);", "NULL", "a temporary object (statement 1)"},
		"a state that is not accepted": {"SET timezone = 'UTC';\nSET search_path = shop, public;", `'{"done": 2, "settings": {"TimeZone": "No/Where"}}'`, "-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			o := interruptedRun(t, d, c.before+"\n"+failsOnDuplicates+"CREATE TABLE bills (id int);")
			d.Exec(t, "UPDATE schema_migrations_history SET run_outcome = 'running', session_state = "+c.state+" WHERE migration_version = 2")
			_, err := migrator.Up(t.Context(), o)
			if c.holds == "" {
				require.NoError(t, err)
				assert.Equal(t, "shop.bills", d.Value(t, "SELECT to_regclass('shop.bills')"))
				return
			}
			var refused *resume.SessionStateError
			require.ErrorAs(t, err, &refused)
			if c.holds != "-" {
				assert.Equal(t, []string{c.holds}, refused.LostState)
			}
			assert.Equal(t, "2 t", d.Value(t, version))
		})
	}
}

// TestResume_SearchPathSet_CatalogsReadWithIt covers an index that is not in the schema public.
func TestResume_SearchPathSet_CatalogsReadWithIt(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	o := interruptedRun(t, d, "SET search_path = shop, public;\n"+failsOnDuplicates)
	d.Exec(t, "CREATE INDEX old ON shop.users (id); ALTER TABLE shop.users OWNER TO \""+d.User+"\"")
	text := "SET search_path = shop, public;\nDROP INDEX CONCURRENTLY old;\nCREATE TABLE bills (id int);\n"
	overwriteFile(t, o, "2_x.up.sql", text)
	d.Exec(t, "UPDATE schema_migrations_history SET run_outcome = 'running', up_sql = $q$"+text+"$q$ WHERE migration_version = 2")
	_, err := migrator.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, "shop.bills", d.Value(t, "SELECT concat_ws(' ', to_regclass('shop.bills'), to_regclass('shop.old'))"))
}

func TestResume_Down_RestoresTheSession(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	o := newOptions(t, d, fixture.Files(t, resumeBase+"SELECT 2;\n-- 2_x.down.sql --\nSET search_path = shop, public;\n"+failsOnDuplicates+"CREATE TABLE bills (id int);\n"))
	_, err := migrator.Up(t.Context(), o)
	require.NoError(t, err)
	_, err = migrator.Down(t.Context(), o, 1)
	require.Error(t, err)
	d.Exec(t, "DELETE FROM shop.users")
	_, err = migrator.Down(t.Context(), o, 1)
	require.NoError(t, err)
	assert.Equal(t, "shop.bills", d.Value(t, "SELECT concat_ws(' ', to_regclass('shop.bills'), to_regclass('public.bills'))"))
}

// TestResume_RoleSet_RestoredAndCounted covers a role without privileges on the history
// table, so the statements are counted after the file was interrupted.
func TestResume_RoleSet_RestoredAndCounted(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	other := d.Name + " other"
	d.Exec(t, fmt.Sprintf("CREATE ROLE %[1]q; GRANT %[1]q TO %[2]q; GRANT ALL ON SCHEMA public TO %[1]q", other, d.User))
	t.Cleanup(func() { d.Exec(t, fmt.Sprintf("DROP OWNED BY %[1]q CASCADE; DROP ROLE %[1]q", other)) })
	o := interruptedRun(t, d, fmt.Sprintf("SET ROLE %q;\nCREATE TABLE ran AS SELECT 1 AS n;\nCREATE INDEX CONCURRENTLY i ON ran (nope);\nCREATE TABLE after AS SELECT current_user AS role;\n", other))
	overwriteFile(t, o, "2_x.up.sql", strings.ReplaceAll(readFile(t, filepath.Join(o.Source, "2_x.up.sql")), "nope", "n"))
	_, err := migrator.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, other+" "+other, d.Value(t, "SELECT role || ' ' || tableowner FROM after, pg_tables WHERE tablename = 'after'"))
	assert.Equal(t, "2 f", d.Value(t, version))
}

// TestUp_LockTimeoutInFile_KeepsSessionState checks that a retry runs with the same session state.
func TestUp_LockTimeoutInFile_KeepsSessionState(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	_, err := migrator.Up(t.Context(), newOptions(t, d, fixture.Files(t, strings.Split(resumeBase, "-- 2_x")[0])))
	require.NoError(t, err)
	o := newOptions(t, d, fixture.Files(t, resumeBase+"SET search_path = shop, public;\nVACUUM log;\nALTER TABLE public.users ADD COLUMN late int;\nCREATE TABLE bills (a int);"))
	o.Postgres.LockTimeout = 200 * time.Millisecond
	release := holdLocks(t, d, "LOCK TABLE users IN ACCESS SHARE MODE")
	retried := make(chan struct{})
	o.Postgres.Log = slog.New(&retryHook{Handler: o.Postgres.Log.Handler(), do: sync.OnceFunc(func() { release(); close(retried) })})
	_, err = migrator.Up(t.Context(), o)
	require.NoError(t, err)
	<-retried
	assert.Equal(t, "shop.bills", d.Value(t, "SELECT to_regclass('shop.bills')"))
}

// A retryHook calls do when a lock timeout is logged.
type retryHook struct {
	slog.Handler
	do func()
}

func (h *retryHook) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "lock timeout") {
		h.do()
	}
	return h.Handler.Handle(ctx, r)
}
