package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/schema"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// releases is a database with the migration files of two releases, v1 and v2.
type releases struct {
	*pgtest.Database
	t      *testing.T
	v1, v2 *workspace
}

// newReleases uses the first five sample migrations as v1, and all of them as v2.
func newReleases(t *testing.T) *releases {
	t.Helper()
	old, all := map[string]string{}, map[string]string{}
	files, err := os.ReadDir("../../migrations")
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join("../../migrations", f.Name()))
		require.NoError(t, err)
		if all[f.Name()] = string(text); f.Name() < "0006" {
			old[f.Name()] = string(text)
		}
	}
	d := pgtest.New(t)
	return &releases{Database: d, t: t, v1: &workspace{Database: d, t: t, dir: fixture.FileMap(t, old)}, v2: &workspace{Database: d, t: t, dir: fixture.FileMap(t, all)}}
}

// fingerprint returns a checksum of the database's schema.
func fingerprint(t *testing.T, d *pgtest.Database) string {
	t.Helper()
	dsn, err := dsn.Parse(d.URL())
	require.NoError(t, err)
	store, err := history.Open(t.Context(), postgres.Options{DSN: dsn}, history.Options{Table: config.DefaultTable})
	require.NoError(t, err)
	defer store.Close()
	f, err := schema.NewReader(store).Fingerprint(t.Context())
	require.NoError(t, err)
	return f.Sum()
}

// TestDown_WithOlderFiles_SchemaRestored simulates a `helm rollback`: with only the files of v1, down rolls
// back v2, which can then be applied again.
func TestDown_WithOlderFiles_SchemaRestored(t *testing.T) {
	t.Setenv("SHIPLOCK_RELEASE", "booking")
	t.Setenv("SHIPLOCK_REVISION", "1")
	r := newReleases(t)
	r.v1.mustExit(0, "up")
	before := fingerprint(t, r.Database)
	t.Setenv("SHIPLOCK_REVISION", "2")
	r.v2.mustExit(0, "up")
	after := fingerprint(t, r.Database)
	require.NotEqual(t, before, after)

	t.Setenv("SHIPLOCK_REVISION", "3")
	assert.Contains(t, r.v1.mustExit(0, "up").err, `unknown_migrations="6 (booking_amounts), 7 (guest_emails), 8 (bookings_guest_idx)"`)
	assert.Regexp(t, `(?m)^8 +bookings_guest_idx +applied, file is missing`, r.v1.mustExit(0, "status").stdout)
	assert.Regexp(t, `(?m)^unknown +8 bookings_guest_idx$`, r.v1.mustExit(0, "plan").stdout)

	golden(t, "data-loss", r.v1.mustExit(5, "down", "--to-files").err)
	assert.Equal(t, after, fingerprint(t, r.Database), "nothing must run")
	dry := r.v1.mustExit(0, "down", "--to-files", "--dry-run").stdout
	fixture.Golden(t, "down-dry-run.golden", fixture.Mask(dry))
	assert.Equal(t, after, fingerprint(t, r.Database))

	out := r.v1.mustExit(0, "down", "--to-files", "--allow-data-loss")
	assert.Contains(t, out.err, `file=history:0006_booking_amounts.down.sql`)
	assert.Equal(t, before, fingerprint(t, r.Database), "the schema must be that of v1")
	assert.Equal(t, "5 false", r.Value(t, "SELECT version || ' ' || dirty FROM schema_migrations"))
	assert.Equal(t, "8 down applied 3, 7 down applied 3, 6 down applied 3", r.Value(t, `SELECT string_agg(concat_ws(' ', migration_version, run_direction, run_outcome, run_revision), ', ' ORDER BY run_id)
		FROM schema_migrations_history WHERE run_direction = 'down'`), "the history table must record the rollback")
	assert.Equal(t, "0", r.Value(t, `SELECT count(*) FROM schema_migrations_history d JOIN schema_migrations_history u USING (migration_version)
		WHERE d.run_direction = 'down' AND u.run_direction = 'up' AND (d.up_sql, d.down_sql, d.up_checksum) IS DISTINCT FROM (u.up_sql, u.down_sql, u.up_checksum)`), "with the SQL that ran")
	assert.Contains(t, r.v1.mustExit(0, "down", "--to-files").err, "rolled_back=0")
	r.v1.mustExit(0, "up")

	r.v2.mustExit(0, "up")
	assert.Equal(t, after, fingerprint(t, r.Database), "v2 must apply again")
	t.Setenv("SHIPLOCK_REVISION", "")
	r.v1.mustExit(0, "up", "--on-newer", "down", "--allow-data-loss")
	assert.Equal(t, before, fingerprint(t, r.Database), "up must roll back with --on-newer down")
}

// TestDown_NoUsableDownScript_Refused has one row per reason.
func TestDown_NoUsableDownScript_Refused(t *testing.T) {
	t.Parallel()
	const one = "CREATE TABLE a (b int)"
	for _, c := range []struct {
		name, up, down string
		noDown         bool
		after          string // SQL that runs after v2 has been applied
	}{
		{name: "rollback-no-down-file", up: "SELECT 2", noDown: true},
		{name: "rollback-irreversible", up: "-- shiplock:irreversible\nSELECT 2", down: "SELECT 2"},
		{name: "rollback-too-large", up: "SELECT 2", down: "SELECT 2 /* " + strings.Repeat("x", 3<<20) + "*/"},
		{name: "roll-back-imported", up: "SELECT 2", down: "SELECT 2", after: "UPDATE schema_migrations_history SET run_outcome = 'imported', up_sql = NULL, down_sql = NULL WHERE migration_version = 2"},
		{name: "rollback-no-history", up: "SELECT 2", down: "SELECT 2", after: "DROP TABLE schema_migrations_history"},
		{name: "rollback-partially-applied", up: "SELECT 2", down: "SELECT 2", after: "UPDATE schema_migrations SET dirty = true; UPDATE schema_migrations_history SET run_outcome = 'partially applied', statements_applied = 1, statements_total = 3 WHERE migration_version = 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, map[string]string{"1_a.up.sql": one, "1_a.down.sql": "DROP TABLE a", "2_b.up.sql": c.up})
			if !c.noDown {
				w.write("2_b.down.sql", c.down)
			}
			w.mustExit(0, "up")
			if c.after != "" {
				w.Exec(t, c.after)
			}
			before := fingerprint(t, w.Database)
			v1 := &workspace{Database: w.Database, t: t, dir: fixture.FileMap(t, map[string]string{"1_a.up.sql": one, "1_a.down.sql": "DROP TABLE a"})}
			golden(t, c.name, v1.mustExit(5, "down", "--to-files").err)
			v1.mustExit(5, "down", "--to-files", "--dry-run")
			v1.mustExit(5, "down", "--to", "0")
			assert.Equal(t, before, fingerprint(t, w.Database))
			assert.Equal(t, "2", w.Value(t, "SELECT version FROM schema_migrations"), "no migration must be rolled back")
		})
	}
}

// TestDown_EditedFile_StoredScriptRuns checks that down runs the stored script if the up file was edited, and
// the script in the file otherwise, because it may have been corrected.
func TestDown_EditedFile_StoredScriptRuns(t *testing.T) {
	t.Parallel()
	const down = "UPDATE log SET source = 'history'"
	for name, c := range map[string]struct {
		up, down string
		args     []string
		source   string
	}{
		"unchanged":         {"SELECT 2", down, nil, "history"},
		"down file edited":  {"SELECT 2 -- unchanged", "UPDATE log SET source = 'file'", nil, "file"},
		"up file edited":    {"SELECT 3", "UPDATE log SET source = 'file'", nil, "history"},
		"--on-edited allow": {"SELECT 3", "UPDATE log SET source = 'file'", []string{"--on-edited", "allow"}, "file"},
		"down file missing": {"SELECT 2", "", nil, "history"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE log AS SELECT '' AS source", "2_b.up.sql": "SELECT 2", "2_b.down.sql": down})
			w.mustExit(0, "up")
			w.write("2_b.up.sql", c.up)
			w.write("2_b.down.sql", c.down)
			if c.down == "" {
				require.NoError(t, os.Remove(filepath.Join(w.dir, "2_b.down.sql")))
			}
			w.mustExit(0, append([]string{"down", "--to", "1"}, c.args...)...)
			assert.Equal(t, c.source, w.Value(t, "SELECT source FROM log"))
			assert.Equal(t, c.source != "file" || c.args != nil, w.Value(t, "SELECT down_sql FROM schema_migrations_history WHERE run_direction = 'down'") == down || c.args != nil)
		})
	}
}

// TestDown_EmptyDownFile_NotMissing checks that the history table distinguishes empty from missing.
func TestDown_EmptyDownFile_NotMissing(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1", "2_b.up.sql": "SELECT 2", "2_b.down.sql": ""})
	w.mustExit(0, "up")
	require.NoError(t, os.Remove(filepath.Join(w.dir, "2_b.up.sql")))
	require.NoError(t, os.Remove(filepath.Join(w.dir, "2_b.down.sql")))
	w.mustExit(0, "down", "--to-files")
	assert.Equal(t, "1", w.Value(t, "SELECT version FROM schema_migrations"))
}

// TestDown_InterruptedWithoutFile_Resumed interrupts a down script that only the history table has.
func TestDown_InterruptedWithoutFile_Resumed(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE log (n int)", "2_b.up.sql": "CREATE INDEX CONCURRENTLY i ON log (n)",
		"2_b.down.sql": "INSERT INTO log VALUES (1);\nDROP INDEX CONCURRENTLY i;\n" +
			"INSERT INTO log SELECT 2 FROM pg_sleep(CASE WHEN current_setting('statement_timeout') = '0' THEN 0 ELSE 60 END);\nINSERT INTO log VALUES (3);\n"})
	w.mustExit(0, "up")
	for _, direction := range []string{"up", "down"} {
		require.NoError(t, os.Remove(filepath.Join(w.dir, "2_b."+direction+".sql")))
	}
	out := w.mustExit(7, "down", "--to-files", "--statement-timeout", "2s")
	golden(t, "down-partially-applied", out.err)
	assert.Equal(t, "1 true", w.Value(t, "SELECT version || ' ' || dirty FROM schema_migrations"))
	assert.Contains(t, w.mustExit(5, "up").err, "the rollback of version 2 (b) is unfinished (2 of 4 statements)")
	assert.Contains(t, w.mustExit(0, "down", "--to-files", "--dry-run").stdout, "resuming after statement 2")
	w.mustExit(0, "down", "--to-files")
	assert.Equal(t, "1,2,3", w.Value(t, "SELECT string_agg(n::text, ',' ORDER BY n) FROM log"), "each statement ran once")
	assert.Equal(t, "1 false", w.Value(t, "SELECT version || ' ' || dirty FROM schema_migrations"))
	w.mustExit(0, "up")
}

func TestDown_InvalidArguments_UsageError(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"cannot be used together": {"--to", "1", "--to-files"},
		"or --to-files":           {"--dry-run"},
		"requires --dry-run":      {"--to", "1", "-o", "json"},
		"want table or json":      {"--to", "1", "--dry-run", "-o", "xml"},
		"allow, fail or down":     nil,
		`--on-edited is "maybe"`:  {"--to", "1", "--on-edited", "maybe"},
	} {
		command := "down"
		if args == nil {
			command, args = "up", []string{"--on-newer", "up"}
		}
		out := call(t.Context(), append([]string{command, "--database-url", "postgres://h/d"}, args...)...)
		assert.Equal(t, 2, out.code, args)
		assert.Contains(t, out.err, want)
	}
}

func TestDown_DryRunJSON_StepsAndDataLoss(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int); INSERT INTO a VALUES (1), (NULL)", "2_b.up.sql": "ALTER TABLE a ADD c int", "2_b.down.sql": "ALTER TABLE a DROP c, DROP b"})
	w.mustExit(0, "up")
	var p migrator.Preview
	require.NoError(t, json.Unmarshal([]byte(w.mustExit(0, "down", "--to", "1", "--dry-run", "-o", "json").stdout), &p))
	require.Len(t, p.Steps, 1)
	assert.Equal(t, migrator.PreviewStep{Version: 2, Direction: "down", File: "2_b.down.sql", Statements: 1, Transactional: true, SQL: "ALTER TABLE a DROP c, DROP b",
		Loses: []dataloss.Loss{{File: "2_b.down.sql", Line: 1, How: "DROP COLUMN", Table: "public.a", Column: "b", Rows: 1}}}, p.Steps[0])
	assert.Equal(t, "2", w.Value(t, "SELECT version FROM schema_migrations"))
}

// TestRepair_WithOlderFiles_RolledBack covers a previous version that only the history table has.
func TestRepair_WithOlderFiles_RolledBack(t *testing.T) {
	t.Parallel()
	files := map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)", "1_a.down.sql": "DROP TABLE a"}
	v1 := newWorkspace(t, files)
	files["2_b.up.sql"], files["2_b.down.sql"] = "SELECT 2", "SELECT 2"
	files["3_c.up.sql"] = "INSERT INTO a VALUES (1);\nVACUUM nope;"
	v2 := &workspace{Database: v1.Database, t: t, dir: fixture.FileMap(t, files)}
	v2.mustExit(7, "up")
	assert.Contains(t, v1.mustExit(5, "down", "--to-files").err, "version 3 (c) is partially applied (1 of 2 statements)")
	v1.mustExit(0, "repair", "--rolled-back")
	assert.Equal(t, "2 false", v1.Value(t, "SELECT version || ' ' || dirty FROM schema_migrations"), "the version before 3, not 1")
	v1.mustExit(0, "down", "--to-files")
	assert.Equal(t, "1 false", v1.Value(t, "SELECT version || ' ' || dirty FROM schema_migrations"))
}

// TestDown_RowsDeletedAfterCount_Refused uses a trigger that deletes rows after down has counted the data
// that would be lost.
func TestDown_RowsDeletedAfterCount_Refused(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	w := &workspace{Database: d, t: t, dir: fixture.FileMap(t, map[string]string{
		"1_guests.up.sql": "CREATE TABLE guests (id int); CREATE TABLE jobs (id int);\n" +
			"CREATE FUNCTION clear() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM guests; RETURN NULL; END';\nCREATE TRIGGER clear AFTER INSERT ON jobs EXECUTE FUNCTION clear();",
		"1_guests.down.sql": "DROP TABLE guests, jobs; DROP FUNCTION clear",
		"2_jobs.up.sql":     "SELECT 1", "2_jobs.down.sql": "INSERT INTO jobs VALUES (1);",
		"3_notes.up.sql": "ALTER TABLE guests ADD COLUMN note text;", "3_notes.down.sql": "ALTER TABLE guests DROP COLUMN note;",
	})}
	w.mustExit(0, "up")
	d.Exec(t, "INSERT INTO guests VALUES (1), (2)")
	golden(t, "data-loss-late", w.mustExit(5, "down", "--to", "1").err)
	assert.Equal(t, "2", d.Value(t, "SELECT count(*) FROM guests"))
	assert.Equal(t, "2 false", d.Value(t, "SELECT version || ' ' || dirty FROM schema_migrations"))
	w.mustExit(0, "down", "--to", "1", "--allow-data-loss")
}
