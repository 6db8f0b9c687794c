package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/database/postgres"
	_ "github.com/golang-migrate/migrate/v4/source/file"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func (w *workspace) golangMigrate() *migrate.Migrate {
	w.t.Helper()
	m, err := migrate.New("file://"+w.dir, w.URL())
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _, _ = m.Close() })
	return m
}

// TestUp_VersionTableBehindHistory_Refused checks that no migration runs twice and that baseline
// resolves the conflict.
func TestUp_VersionTableBehindHistory_Refused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ lose, want, back string }{
		"truncated":      {lose: "TRUNCATE schema_migrations", want: "relation public.guests (created by 1_guests.up.sql)"},
		"deleted":        {lose: "DELETE FROM schema_migrations", want: "the schema still has relation public.guests"},
		"dropped":        {lose: "DROP TABLE schema_migrations", want: "does not exist, but its history table records version 2 as applied"},
		"renamed":        {lose: "ALTER TABLE schema_migrations RENAME TO other", want: "does not exist"},
		"forced to none": {lose: "-- force", want: "the schema still has relation public.guests"},
		"row security, forced": {lose: "ALTER TABLE schema_migrations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
			want: "NO FORCE ROW LEVEL SECURITY", back: `CREATE POLICY shiplock ON schema_migrations USING (true) WITH CHECK (true)`},
		"row security, another owner": {lose: "ALTER TABLE schema_migrations OWNER TO postgres; GRANT ALL ON schema_migrations TO PUBLIC; ALTER TABLE schema_migrations ENABLE ROW LEVEL SECURITY",
			want: "as the owner (postgres) or a superuser, run", back: "ALTER TABLE schema_migrations DISABLE ROW LEVEL SECURITY"},
		"row security with a policy that hides": {lose: "ALTER TABLE schema_migrations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY p ON schema_migrations USING (version > 100)",
			want: "row security on public.schema_migrations hides rows", back: "ALTER TABLE schema_migrations NO FORCE ROW LEVEL SECURITY"},
		"row security on the history": {lose: "ALTER TABLE schema_migrations_history ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
			want: "row security on public.schema_migrations_history hides rows", back: "ALTER TABLE schema_migrations_history NO FORCE ROW LEVEL SECURITY"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, guests)
			w.mustExit(0, "up")
			if c.lose == "-- force" {
				require.NoError(t, w.golangMigrate().Force(-1))
			} else {
				w.Exec(t, c.lose)
			}
			for _, command := range []string{"up", "plan", "status"} {
				assert.Contains(t, w.mustExit(5, command).err, c.want)
			}
			assert.Contains(t, w.mustExit(5, "down", "--to", "0").err, c.want)
			assert.Equal(t, "1", w.Value(t, "SELECT count(*) FROM guests"))
			if c.back != "" {
				assert.Contains(t, w.mustExit(5, "wait", "--timeout", "1m").err, c.want)
				w.Exec(t, c.back)
			} else {
				assert.Contains(t, w.mustExit(124, "wait", "--timeout", "8s").err, "the history table has applied migrations")
				if name == "truncated" || name == "dropped" {
					golden(t, "version-table-"+name, w.mustExit(5, "up").err)
				}
				assert.Contains(t, w.mustExit(5, "baseline", "--version", "1", "--unverified").err, "the history table records version 2")
				if name == "renamed" {
					w.Exec(t, "DROP TABLE other") // otherwise the schemas differ
				}
				w.mustExit(0, "baseline", "--version", "2", "--scratch-url", pgtest.New(t).URL())
			}
			w.mustExit(0, "up")
			w.mustExit(0, "wait")
			assert.Equal(t, "1", w.Value(t, "SELECT count(*) FROM guests"))
			w.mustExit(0, "down", "--to", "0", "--allow-data-loss")
			assert.Empty(t, w.Value(t, "SELECT to_regclass('guests')"))
			w.mustExit(0, "up")
		})
	}
}

// TestUp_GolangMigrateRolledBack_Imported covers an empty version table that golang-migrate leaves
// after it rolls back all migrations.
func TestUp_GolangMigrateRolledBack_Imported(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, guests)
	w.mustExit(0, "up")
	require.NoError(t, w.golangMigrate().Down())
	w.mustExit(0, "status")
	w.mustExit(0, "up")
	assert.Equal(t, "1", w.Value(t, "SELECT count(*) FROM guests"))
	require.NoError(t, w.golangMigrate().Migrate(1))
	w.mustExit(0, "up")
	assert.Equal(t, "1", w.Value(t, "SELECT count(*) FROM guests"))
}

// TestUp_EmptiedVersionTableUndetermined_Refused uses migrations that create no object, so that the
// catalogs do not show whether they ran.
func TestUp_EmptiedVersionTableUndetermined_Refused(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2", "0"} {
		w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1", "2_b.up.sql": "DO $$ BEGIN PERFORM 2; END $$"})
		w.mustExit(0, "up")
		w.Exec(t, "TRUNCATE schema_migrations")
		out := w.mustExit(5, "up").err
		assert.Contains(t, out, "migrator baseline --version 2")
		assert.Contains(t, out, "migrator baseline --version 0")
		w.mustExit(0, "baseline", "--version", version, "--unverified")
		assert.Contains(t, w.mustExit(0, "up").err, map[string]string{"2": "nothing to do", "0": "migration completed"}[version])
	}
}

// TestUp_EmptiedVersionTableAndRenamedTable_Refused covers tables that a later migration renames or
// moves to another schema.
func TestUp_EmptiedVersionTableAndRenamedTable_Refused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"renamed":         "ALTER TABLE a RENAME TO b",
		"another schema":  "CREATE SCHEMA IF NOT EXISTS public; ALTER TABLE a SET SCHEMA other",
		"dropped, a type": "DROP TABLE a; CREATE TYPE mood AS ENUM ('ok')",
	} {
		w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)", "2_b.up.sql": change})
		w.Exec(t, fmt.Sprintf("CREATE SCHEMA other AUTHORIZATION %q", w.User))
		w.mustExit(0, "up")
		w.Exec(t, "TRUNCATE schema_migrations")
		assert.Contains(t, w.mustExit(5, "up").err, "(created by 2_b.up.sql)", name)
	}
}

func TestBaseline_SchemaMatchesFiles_Succeeds(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, guests)
	w.write("3_more.up.sql", "ALTER TABLE guests ADD COLUMN name text; CREATE INDEX ON guests (name)")
	w.Exec(t, fmt.Sprintf("CREATE TABLE guests (id int); ALTER TABLE guests OWNER TO %q; GRANT SELECT ON guests TO PUBLIC; CREATE SCHEMA other_app; CREATE TABLE other_app.x (a int)", w.User))
	scratch := pgtest.New(t)
	out := w.mustExit(5, "baseline", "--version", "3", "--scratch-url", scratch.URL())
	golden(t, "baseline-differs", out.err)
	assert.Empty(t, w.Value(t, "SELECT to_regclass('schema_migrations')"), "nothing is written")
	w.mustExit(0, "baseline", "--version", "2", "--scratch-url", scratch.URL())
	assert.Equal(t, "0", scratch.Value(t, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"), "it is empty again")
	assert.Equal(t, "1 up baselined 0/0, 2 up baselined 0/0", w.history())
	assert.Contains(t, w.mustExit(0, "up").err, "version=3")
	assert.Contains(t, call(t.Context(), "history", "--database-url", w.URL()).stdout, "baselined")
	w.mustExit(0, "wait")
	w.write("3_more.down.sql", "SELECT 3")
	assert.Contains(t, w.mustExit(0, "down", "--to", "1", "--dry-run").stdout, "2_rows.down.sql", "the files' down is used")
}

func TestBaseline_InvalidState_Refused(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, guests)
	scratch := pgtest.New(t)
	assert.Contains(t, w.mustExit(5, "baseline", "--version", "9", "--unverified").err, "there is no version 9")
	assert.Contains(t, w.mustExit(5, "baseline", "--version", "1", "--scratch-url", w.URL()).err, "would be emptied")
	used := pgtest.New(t)
	used.Exec(t, "CREATE TABLE x (a int)")
	assert.Contains(t, w.mustExit(5, "baseline", "--version", "1", "--scratch-url", used.URL()).err, "is not empty")
	w.mustExit(2, "baseline", "--version", "1")
	w.mustExit(2, "baseline", "--unverified")
	w.mustExit(2, "baseline", "--version", "1", "--unverified", "--scratch-url", scratch.URL())
	w.write("3_bad.up.sql", "SELECT nope")
	assert.Contains(t, w.mustExit(5, "baseline", "--version", "3", "--scratch-url", scratch.URL()).err, `column "nope" does not exist`)
	require.NoError(t, os.Remove(filepath.Join(w.dir, "3_bad.up.sql")))
	assert.Contains(t, w.mustExit(5, "baseline", "--version", "2", "--scratch-url", scratch.URL()).err, "table public.guests: missing in the database")
	w.mustExit(0, "up")
	assert.Contains(t, w.mustExit(5, "baseline", "--version", "2", "--unverified").err, "already has a version, 2")
	w.Exec(t, "UPDATE schema_migrations SET dirty = true")
	assert.Contains(t, w.mustExit(5, "baseline", "--version", "2", "--unverified").err, "marked dirty")
}

func TestBaseline_Unverified_RecordedInHistory(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, guests)
	w.Exec(t, fmt.Sprintf("CREATE TABLE guests (id int); ALTER TABLE guests OWNER TO %q", w.User))
	w.mustExit(0, "baseline", "--version", "1", "--unverified")
	assert.Equal(t, "1 up baselined unverified 0/0", w.history())
	w.mustExit(0, "up")
	assert.Equal(t, "2", w.Value(t, "SELECT version FROM schema_migrations"))
}

func TestBaseline_Concurrent_OneSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, guests)
	codes := make([]int, 5)
	var wait sync.WaitGroup
	for i := range codes {
		wait.Go(func() { codes[i] = w.run("baseline", "--version", "2", "--unverified").code })
	}
	wait.Wait()
	assert.ElementsMatch(t, []int{0, 5, 5, 5, 5}, codes)
	assert.Equal(t, "2", w.Value(t, "SELECT count(*) FROM schema_migrations_history"))
}
