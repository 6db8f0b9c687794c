package cli_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/rehearsal"
	"github.com/shiplock/shiplock/internal/status"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func rehearse(t *testing.T, d *pgtest.Database, dir string, args ...string) outcome {
	t.Helper()
	return call(t.Context(), append([]string{"rehearse", "--scratch-url", d.URL(), "--source", dir, "--log-level", "error"}, args...)...)
}

// countObjects returns the number of objects in a database.
func countObjects(t *testing.T, d *pgtest.Database) string {
	t.Helper()
	return d.Value(t, `SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace) + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)
		+ (SELECT count(*) FROM pg_type WHERE typnamespace = 'public'::regnamespace) + (SELECT count(*) FROM pg_extension WHERE extname <> 'plpgsql')
		+ (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema'))`)
}

// TestRehearse_SampleMigrations_NoFaults rehearses the migrations in /migrations.
func TestRehearse_SampleMigrations_NoFaults(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	for _, args := range [][]string{nil, {"--from", "6"}} {
		out := rehearse(t, d, "../../migrations", args...)
		require.Zero(t, out.code, out.err+out.stdout)
		assert.Regexp(t, `\d migrations? rehearsed on .*, 0 faults\n$`, out.stdout)
		assert.Equal(t, "0", countObjects(t, d), "the database must be empty")
	}
}

// faultyMigrations has a migration for each kind of finding.
var faultyMigrations = map[string]string{
	"1_good.up.sql": "CREATE TABLE a (id int PRIMARY KEY, b text)", "1_good.down.sql": "DROP TABLE a",
	"2_half.up.sql":     "ALTER TABLE a ADD c int NOT NULL DEFAULT 7, ALTER b SET DEFAULT 'x';\nCREATE INDEX i ON a (b);\nCREATE TYPE mood AS ENUM ('ok');",
	"2_half.down.sql":   "ALTER TABLE a DROP c;",
	"3_missing.up.sql":  "CREATE TABLE m (a int)",
	"4_no_way.up.sql":   "-- shiplock:irreversible\nUPDATE a SET b = NULL",
	"5_broken.up.sql":   "CREATE TABLE five (a int)",
	"5_broken.down.sql": "DROP TABLE five;\n\nDROP TABLE nope;",
	"6_twice.up.sql":    "CREATE TABLE once (a int);\nINSERT INTO once SELECT 1 FROM a;",
	"6_twice.down.sql":  "ALTER TABLE once RENAME TO six;",
	"7_lossy.up.sql":    "CREATE TABLE seven (a int)",
	"7_lossy.down.sql":  "-- goes\nDROP TABLE seven",
}

func TestRehearse_IncompleteDown_Reported(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	dir := fixture.FileMap(t, faultyMigrations)
	out := rehearse(t, d, dir)
	assert.Equal(t, 6, out.code, out.err)
	golden(t, "rehearsal", out.err)
	fixture.Golden(t, "rehearsal-findings.golden", fixture.Mask(strings.ReplaceAll(out.stdout, dir, "DIR")))
	assert.Equal(t, "0", countObjects(t, d))

	out = rehearse(t, d, dir, "--from", "6")
	assert.Zero(t, out.code, "older migrations must not be reported: %s%s", out.err, out.stdout)
	var r rehearsal.Rehearsal
	require.NoError(t, json.Unmarshal([]byte(rehearse(t, d, dir, "-o", "json").stdout), &r))
	kinds := map[rehearsal.FindingKind]int{}
	for _, f := range r.Findings {
		kinds[f.Kind]++
		assert.Equal(t, f.Kind != rehearsal.FindingDataLoss && f.Kind != rehearsal.FindingIrreversible, f.FailsRehearsal)
	}
	assert.Equal(t, 7, r.Rehearsed)
	assert.Equal(t, map[rehearsal.FindingKind]int{rehearsal.FindingNotRestored: 2, rehearsal.FindingMissingDown: 1, rehearsal.FindingIrreversible: 1, rehearsal.FindingDownFailed: 1, rehearsal.FindingDataLoss: 4}, kinds)
}

func TestRehearse_UpFails_Stops(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	out := rehearse(t, d, fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT 1;\nSELECT nope;", "2_b.up.sql": "SELECT 1"}))
	assert.Equal(t, 6, out.code)
	assert.Regexp(t, `1_a.up.sql:2: up failed: pq: column "nope" does not exist`, out.stdout)
	assert.Regexp(t, `\n0 of 2 migrations rehearsed on .*, 1 fault\n$`, out.stdout)
	golden(t, "rehearsal-stopped", out.err)
	assert.Equal(t, "0", countObjects(t, d))
}

// TestRehearse_NotScratchDatabase_Refused checks that rehearse never changes a database in use.
func TestRehearse_NotScratchDatabase_Refused(t *testing.T) {
	t.Parallel()
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)", "1_a.down.sql": "DROP TABLE a"})
	for name, sql := range map[string]string{
		"table": "CREATE TABLE bookings (a int)", "view": "CREATE VIEW v AS SELECT 1", "function": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"type": "CREATE TYPE mood AS ENUM ()", "other schema": "CREATE SCHEMA app; CREATE TABLE app.t (a int)",
		"only the version table": "CREATE TABLE schema_migrations (version bigint, dirty boolean)", "sequence": "CREATE SEQUENCE s",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			d.Exec(t, sql)
			before := countObjects(t, d)
			out := rehearse(t, d, dir)
			assert.Equal(t, 5, out.code, out.err)
			assert.Contains(t, out.err, "is not empty, and its objects were not created by a rehearsal")
			assert.Equal(t, before, countObjects(t, d))
			if name == "table" {
				golden(t, "rehearsal-not-empty", out.err)
			}
		})
	}
	t.Run("database in DATABASE_URL", func(t *testing.T) {
		t.Parallel()
		d := pgtest.New(t)
		for _, url := range []string{d.URL(), regexp.MustCompile(`127\.0\.0\.1`).ReplaceAllString(d.URL(), "localhost"), d.Pooled(t, "session").URL()} {
			out := rehearse(t, d, dir, "--database-url", url)
			assert.Equal(t, 5, out.code, out.err)
			golden(t, "rehearsal-same", out.err)
			assert.Equal(t, "0", countObjects(t, d))
		}
		assert.Zero(t, rehearse(t, d, dir, "--database-url", pgtest.New(t).URL()).code, "another one of the same server")
	})
	t.Run("concurrent", func(t *testing.T) {
		t.Parallel()
		d := pgtest.New(t)
		outs := make(chan outcome, 2)
		for range cap(outs) {
			go func() { outs <- rehearse(t, d, dir) }()
		}
		for range cap(outs) {
			assert.Zero(t, (<-outs).code)
		}
	})
}

// TestRehearse_AfterKilledRehearsal_EmptiesItsObjects checks that a rehearsal removes the objects of an
// earlier one that was killed, and keeps objects that existed before.
func TestRehearse_AfterKilledRehearsal_EmptiesItsObjects(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, fmt.Sprintf("CREATE SCHEMA other_app; CREATE EXTENSION citext; GRANT CREATE ON DATABASE %q TO %q", d.Name, d.User))
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b citext); CREATE SCHEMA app; CREATE TABLE app.t (a int); CREATE EXTENSION btree_gist", "1_a.down.sql": "SELECT 1"})
	assert.Equal(t, 6, rehearse(t, d, dir).code)
	killRehearsal(t, d, "CREATE TABLE left_over (id serial PRIMARY KEY); CREATE FUNCTION f(left_over) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE mood AS ENUM ('ok'); CREATE VIEW v AS SELECT 'ok'::mood; CREATE SCHEMA more; CREATE EXTENSION btree_gist")
	require.Equal(t, "left_over", d.Value(t, "SELECT to_regclass('left_over')"), "the killed rehearsal must leave its table")
	assert.Equal(t, 6, rehearse(t, d, dir).code)
	assert.Equal(t, "citext other_app", d.Value(t, `SELECT concat_ws(' ', (SELECT string_agg(extname, ' ') FROM pg_extension WHERE extname <> 'plpgsql'),
		(SELECT string_agg(nspname, ' ') FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema')),
		(SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace))`))
}

const terminateOwnSessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user ORDER BY pid = pg_backend_pid()"

// killRehearsal runs a rehearsal whose sessions are terminated after a migration with this SQL.
func killRehearsal(t *testing.T, d *pgtest.Database, sql string) {
	t.Helper()
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": sql, "1_a.down.sql": "SELECT 1", "2_b.up.sql": terminateOwnSessions, "2_b.down.sql": "SELECT 1"})
	require.Equal(t, 3, rehearse(t, d, dir).code)
}

// TestRehearse_ObjectCreatedAfterKilledRehearsal_Refused checks that rehearse drops only objects that a
// rehearsal created.
func TestRehearse_ObjectCreatedAfterKilledRehearsal_Refused(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]struct{ sql, drop string }{
		"table":          {"CREATE TABLE mine (a int); INSERT INTO mine VALUES (1)", "DROP TABLE mine"},
		"another schema": {"CREATE SCHEMA own; CREATE TABLE own.t (a int)", "DROP SCHEMA own CASCADE"},
		"function":       {"CREATE FUNCTION helper() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION helper"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)", "1_a.down.sql": "DROP TABLE a"})
			killRehearsal(t, d, "DO $$ BEGIN EXECUTE 'CREATE TABLE ' || 'lef' || 't_over (id serial)'; END $$; CREATE VIEW v AS SELECT 1 AS one")
			require.Equal(t, "left_over", d.Value(t, "SELECT to_regclass('left_over')"))
			d.Exec(t, made.sql)
			before := d.Value(t, "SELECT count(*) FROM pg_class")
			out := rehearse(t, d, dir)
			assert.Equal(t, 5, out.code, out.err)
			if name == "table" {
				golden(t, "rehearsal-table-since", out.err)
			}
			assert.Equal(t, before, d.Value(t, "SELECT count(*) FROM pg_class"))
			d.Exec(t, made.drop)
			assert.Equal(t, 0, rehearse(t, d, dir).code, "the objects of the killed rehearsal must be removed")
			assert.Equal(t, "0", countObjects(t, d))
		})
	}
}

// TestRehearse_DatabaseInPGHOST_Refused covers libpq's variables, which name the database if no URL is set.
func TestRehearse_DatabaseInPGHOST_Refused(t *testing.T) {
	d := pgtest.New(t)
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)", "1_a.down.sql": "DROP TABLE a"})
	for name, value := range map[string]string{"PGHOST": d.Host, "PGPORT": fmt.Sprint(d.Port), "PGUSER": d.User, "PGPASSWORD": d.Password, "PGDATABASE": d.Name, "PGSSLMODE": "disable"} {
		t.Setenv(name, value)
	}
	out := rehearse(t, d, dir)
	assert.Equal(t, 5, out.code, out.err)
	assert.Contains(t, out.err, "PGHOST and PGDATABASE")
	for name, value := range map[string]string{"PGUSER": "missing", "PGHOST": "127.0.0.2"} {
		t.Run("unreachable by "+name, func(t *testing.T) {
			t.Setenv(name, value)
			out := rehearse(t, d, dir)
			assert.Equal(t, 5, out.code, out.err)
			assert.Contains(t, out.err, "cannot be reached to verify that they are different")
		})
	}
	out = rehearse(t, pgtest.New(t), dir)
	assert.Equal(t, 0, out.code, out.err)
	t.Setenv("PGDATABASE", "does not exist")
	out = rehearse(t, pgtest.New(t), dir)
	assert.Equal(t, 0, out.code, out.err)
	assert.NotContains(t, out.err, "cannot be reached")
}

// TestUp_RolledBackByGolangMigrate_EditedFileAllowed covers the file of a migration that is no longer
// applied.
func TestUp_RolledBackByGolangMigrate_EditedFileAllowed(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)", "1_a.down.sql": "DROP TABLE a",
		"2_b.up.sql": "CREATE TABLE b (c int)", "2_b.down.sql": "DROP TABLE b"})
	w.mustExit(0, "up")
	require.NoError(t, w.golangMigrate().Migrate(1))
	w.write("2_b.up.sql", "CREATE TABLE b (c bigint)")
	assert.NotContains(t, w.mustExit(0, "status").stdout, "edited")
	w.mustExit(0, "plan")
	w.mustExit(0, "up")
	assert.Equal(t, "bigint", w.Value(t, "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'b'::regclass AND attname = 'c'"))
	w.write("1_a.up.sql", "CREATE TABLE a (b bigint)")
	assert.Contains(t, w.mustExit(5, "up").err, "was edited after it was applied")
}

// TestRehearse_ScratchDatabaseInUse_Refused covers a scratch database of a killed rehearsal that was then
// used as a real database.
func TestRehearse_ScratchDatabaseInUse_Refused(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)", "1_a.down.sql": "DROP TABLE a", "2_b.up.sql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user ORDER BY pid = pg_backend_pid()", "2_b.down.sql": "SELECT 1"})
	require.Equal(t, 3, rehearse(t, d, dir).code, "the sessions must be terminated")
	require.Equal(t, "a", d.Value(t, "SELECT to_regclass('a')"), "the killed rehearsal must leave its table")
	w := &workspace{Database: d, t: t, dir: fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)", "1_a.down.sql": "DROP TABLE a", "2_b.up.sql": "INSERT INTO a VALUES (1)", "2_b.down.sql": "SELECT 1"})}
	w.mustExit(0, "up")
	out := rehearse(t, d, w.dir)
	assert.Equal(t, 5, out.code)
	golden(t, "rehearsal-in-use", out.err)
	assert.Equal(t, "1", d.Value(t, "SELECT count(*) FROM a"))
}

func TestRehearse_NoPrivileges_Reported(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, "REVOKE CREATE ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO postgres")
	d.Exec(t, fmt.Sprintf("REVOKE ALL ON SCHEMA public FROM %q; REVOKE ALL ON DATABASE %q FROM %[1]q", d.User, d.Name))
	out := rehearse(t, d, "../../migrations")
	assert.Equal(t, 2, out.code)
	golden(t, "rehearsal-no-right", out.err)
}

// TestRehearse_EachObjectKind_Emptied checks that rehearse empties the database even if no down script
// removes the objects.
func TestRehearse_EachObjectKind_Emptied(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, fmt.Sprintf("ALTER ROLE %q SUPERUSER", d.User))
	kinds := []string{
		"CREATE TABLE parts (a int) PARTITION BY RANGE (a); CREATE TABLE part PARTITION OF parts FOR VALUES FROM (1) TO (2)", "CREATE TYPE place AS (x int)", "CREATE TYPE hollow",
		"CREATE TYPE times AS RANGE (subtype = time)", "CREATE TABLE s (a int GENERATED ALWAYS AS IDENTITY, b serial, c text); CREATE STATISTICS pair ON a, c FROM s",
		"CREATE PUBLICATION outgoing", "CREATE FUNCTION h() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER seen ON sql_drop EXECUTE FUNCTION h()",
		"CREATE DOMAIN short AS text; CREATE TYPE mood AS ENUM ('ok'); CREATE CAST (mood AS int) WITH INOUT", "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, PROCEDURE = int4eq)",
		"CREATE OPERATOR CLASS own FOR TYPE int USING btree AS OPERATOR 1 <, FUNCTION 1 btint4cmp(int, int)", "CREATE COLLATION coll (LOCALE = 'C')", "CREATE CONVERSION conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
		"CREATE TEXT SEARCH CONFIGURATION search (COPY = simple)", "CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple)",
		"CREATE FOREIGN DATA WRAPPER w; CREATE SERVER elsewhere FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR PUBLIC SERVER elsewhere OPTIONS (password 'marked'); CREATE FOREIGN TABLE far (a int) SERVER elsewhere",
		"CREATE LANGUAGE plx HANDLER plpgsql_call_handler", "CREATE ACCESS METHOD own TYPE INDEX HANDLER bthandler", "CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int)",
		"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC", "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
		"CREATE EXTENSION citext; COMMENT ON EXTENSION citext IS 'x'", "CREATE SCHEMA app; CREATE TABLE app.t (a int); COMMENT ON TABLE app.t IS 'x'",
	}
	files := map[string]string{}
	for i, sql := range kinds {
		files[fmt.Sprintf("%d_x.up.sql", i+1)], files[fmt.Sprintf("%d_x.down.sql", i+1)] = sql, "SELECT 1"
	}
	dir, all := fixture.FileMap(t, files), fingerprint(t, d)
	for range 2 {
		out := rehearse(t, d, dir, "-o", "json")
		require.Equal(t, 6, out.code, out.err)
		var r rehearsal.Rehearsal
		require.NoError(t, json.Unmarshal([]byte(out.stdout), &r))
		require.Len(t, r.Failures(), len(kinds), "each must be reported as not restored")
		for _, f := range r.Failures() {
			assert.Equal(t, rehearsal.FindingNotRestored, f.Kind, "%s: %s", kinds[f.Version-1], f.Message)
		}
		assert.NotContains(t, out.stdout, "marked", "an option may contain a password")
		assert.Equal(t, all, fingerprint(t, d), "the database must be empty")
	}
}

func TestRehearse_InvalidArguments_UsageError(t *testing.T) {
	t.Parallel()
	assert.Contains(t, call(t.Context(), "rehearse").err, "requires --scratch-url")
	d := pgtest.New(t)
	out := rehearse(t, d, "../../migrations", "--from", "99")
	assert.Equal(t, 5, out.code)
	assert.Contains(t, out.err, "there is no version 99")
	assert.Equal(t, 2, rehearse(t, d, t.TempDir()).code)
}

func TestHistory_Rollback_RunsLinked(t *testing.T) {
	t.Setenv("SHIPLOCK_RELEASE", "booking")
	t.Setenv("SHIPLOCK_REVISION", "2")
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1", "1_a.down.sql": "SELECT 1", "2_b.up.sql": "SELECT 2", "2_b.down.sql": "SELECT nope"})
	assert.Contains(t, call(t.Context(), "history", "--database-url", w.URL()).stdout, "history   no runs: the history table of public.schema_migrations does not exist or is empty")
	w.mustExit(0, "up")
	t.Setenv("SHIPLOCK_REVISION", "3")
	w.mustExit(6, "down", "--to", "1")
	w.write("2_b.down.sql", "SELECT 2")
	w.mustExit(0, "down", "--to", "1")
	w.mustExit(0, "up")
	assert.Contains(t, call(t.Context(), "history", "--version", "7", "--database-url", w.URL()).stdout, "history   no runs of version 7 in the history table of public.schema_migrations")
	reader := w.historyReaderURL()
	out := call(t.Context(), "history", "--database-url", reader)
	require.Zero(t, out.code, out.err)
	shown := regexp.MustCompile(`20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ|  [\d.]+m?s\b`).ReplaceAllString(out.stdout, "  …") // short runs have no duration
	shown = regexp.MustCompile(`  +`).ReplaceAllString(shown, "  ")
	fixture.Golden(t, "history.golden", fixture.Mask(strings.ReplaceAll(shown, "  …  test", "  test")))
	var h status.History
	require.NoError(t, json.Unmarshal([]byte(call(t.Context(), "history", "-o", "json", "--version", "2", "--database-url", reader).stdout), &h))
	require.Len(t, h.Runs, 4)
	assert.Equal(t, []int64{0, 0, 2, 0}, []int64{h.Runs[0].RollsBack, h.Runs[1].RollsBack, h.Runs[2].RollsBack, h.Runs[3].RollsBack})
	assert.Equal(t, []int64{h.Runs[2].ID, 0, 0, 0}, []int64{h.Runs[0].RolledBackBy, h.Runs[1].RolledBackBy, h.Runs[2].RolledBackBy, h.Runs[3].RolledBackBy})
	assert.Equal(t, "3", h.Runs[3].Revision)
	assert.Contains(t, h.Runs[1].Error, "nope")
}

// historyReaderURL returns the URL of a role that can only read the history table.
func (w *workspace) historyReaderURL() string {
	w.Exec(w.t, fmt.Sprintf(`CREATE ROLE "%s reader" LOGIN PASSWORD 'x'; GRANT SELECT ON schema_migrations_history TO "%[1]s reader"`, w.Name))
	w.t.Cleanup(func() { w.Exec(w.t, fmt.Sprintf(`DROP OWNED BY "%s reader"; DROP ROLE "%[1]s reader"`, w.Name)) })
	return fmt.Sprintf("postgres://%s%%20reader:x@%s:%d/%s?sslmode=disable", strings.ReplaceAll(w.Name, " ", "%20"), w.Host, w.Port, strings.ReplaceAll(w.Name, " ", "%20"))
}
