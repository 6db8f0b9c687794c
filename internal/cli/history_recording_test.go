package cli_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newEncodedWorkspace returns a workspace whose database has an encoding other than UTF8.
func newEncodedWorkspace(t *testing.T, encoding string, files map[string]string) *workspace {
	t.Helper()
	w := newWorkspace(t, files)
	w.Database = w.Database.Encoded(t, encoding)
	return w
}

// TestHistory_TextOutsideDatabaseEncoding_ChecksumStored uses files that golang-migrate also applies.
func TestHistory_TextOutsideDatabaseEncoding_ChecksumStored(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ encoding, kept string }{
		{"LATIN1", "1 false, 2 true, 3 false, 4 true"}, {"SQL_ASCII", "1 true, 2 true, 3 true, 4 true"}, {"UTF8", "1 true, 2 true, 3 true, 4 true"},
	} {
		t.Run(c.encoding, func(t *testing.T) {
			t.Parallel()
			w := newEncodedWorkspace(t, c.encoding, map[string]string{
				"1_a.up.sql": "CREATE TABLE a (b int)", "1_a.down.sql": "-- a → nothing\nDROP TABLE a",
				"2_b.up.sql": "SELECT 'é'", "2_b.down.sql": "SELECT 'ü' -- déjà",
				"3_naïve→.up.sql": "CREATE INDEX CONCURRENTLY ON a (b)", "3_naïve→.down.sql": "DROP INDEX CONCURRENTLY a_b_idx -- ☃",
				"4_d.up.sql": "SELECT 4", "4_d.down.sql": "SELECT 4",
			})
			w.mustExit(0, "up")
			assert.Equal(t, c.kept, w.Value(t, "SELECT string_agg(migration_version || ' ' || (down_sql IS NOT NULL), ', ' ORDER BY migration_version) FROM schema_migrations_history"))
			if c.encoding == "LATIN1" {
				assert.Equal(t, "naïve?", w.Value(t, "SELECT migration_name FROM schema_migrations_history WHERE migration_version = 3"))
			}
			w.write("5_fails.up.sql", "SELECT nope")
			w.mustExit(6, "up")
			if c.encoding == "LATIN1" { // the server rejects these down scripts
				w.mustExit(0, "down", "--to", "3")
				return
			}
			w.mustExit(0, "down", "--to", "0")
			assert.Empty(t, w.Value(t, "SELECT to_regclass('a')"))
		})
	}
}

func TestHistory_TxModeAllOnLatin1_Applied(t *testing.T) {
	t.Parallel()
	w := newEncodedWorkspace(t, "LATIN1", map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)", "1_a.down.sql": "DROP TABLE a", "2_b.up.sql": "SELECT 2", "2_b.down.sql": "SELECT 2 -- → ☃ é"})
	w.mustExit(0, "up", "--tx-mode", "all")
	assert.Equal(t, "2", w.Value(t, "SELECT version FROM schema_migrations"))
}

// TestHistory_SequenceBehindRows_Corrected covers logical replication, which copies rows but not sequences.
func TestHistory_SequenceBehindRows_Corrected(t *testing.T) {
	t.Parallel()
	const behind = "SELECT setval(pg_get_serial_sequence('schema_migrations_history', 'run_id'), 1, false)"
	for name, next := range map[string]string{"transaction": "SELECT 3", "statement by statement": "CREATE INDEX CONCURRENTLY ON guests (id); SELECT 3"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, guests)
			w.mustExit(0, "up")
			w.Exec(t, behind)
			w.write("3_c.up.sql", next)
			w.write("3_c.down.sql", "SELECT 3")
			w.mustExit(0, "up")
			assert.Equal(t, "3", w.Value(t, "SELECT max(run_id) FROM schema_migrations_history WHERE migration_version = 3"))
			w.Exec(t, behind)
			w.mustExit(0, "down", "--to", "2")
			w.Exec(t, behind+"; UPDATE schema_migrations SET version = 1")
			w.mustExit(0, "up") // imports the rollback by golang-migrate
		})
	}
}

// TestHistory_TablesNotWritable_Reported checks that the report names the table instead of COMMIT.
func TestHistory_TablesNotWritable_Reported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, file, want string }{
		"drop-schema": {before: "ALTER SCHEMA public OWNER TO %q", file: "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE public.x (a int)", want: "drops, renames or moves"},
		"rename":      {file: "ALTER TABLE schema_migrations RENAME TO old", want: "drops, renames or moves"},
		"drop-column": {file: "ALTER TABLE schema_migrations_history DROP COLUMN run_outcome", want: "changes the columns"},
		"new-column":  {file: "ALTER TABLE schema_migrations ADD COLUMN tenant int; UPDATE schema_migrations SET tenant = 1; ALTER TABLE schema_migrations ALTER tenant SET NOT NULL", want: "changes the columns"},
		"owner":       {before: "GRANT postgres TO %q", file: "ALTER TABLE schema_migrations OWNER TO postgres; SET LOCAL ROLE NONE", want: ""},
		"trigger": {before: "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no rows''; END'; CREATE TRIGGER t BEFORE INSERT ON schema_migrations_history FOR EACH ROW EXECUTE FUNCTION no()",
			file: "SELECT 3", want: "the trigger or rule on the table"},
		"rights":    {before: "ALTER TABLE schema_migrations_history OWNER TO postgres; GRANT SELECT ON schema_migrations_history TO PUBLIC", file: "SELECT 3", want: "to write or create"},
		"read-only": {before: "ALTER ROLE %q SET default_transaction_read_only = on", file: "SELECT 3", want: "read-only"},
		"forced":    {file: "ALTER TABLE schema_migrations_history ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", want: "row security on the table rejects the row"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, guests)
			w.mustExit(0, "up")
			if c.before != "" {
				w.Exec(t, strings.ReplaceAll(c.before, "%q", fmt.Sprintf("%q", w.User)))
			}
			w.write("3_c.up.sql", c.file)
			if c.want == "" {
				w.mustExit(0, "up") // a member of a superuser role may write
				return
			}
			out := w.mustExit(6, "up")
			assert.Contains(t, strings.Join(strings.Fields(out.err), " "), c.want)
			assert.Contains(t, out.err, "version could not be recorded")
			assert.NotContains(t, out.err, "COMMIT")
			if name == "drop-schema" || name == "trigger" {
				golden(t, "record-"+name, out.err)
			}
			assert.Equal(t, "1", w.Value(t, "SELECT count(*) FROM guests"), "rolled back")
		})
	}
}

// TestHistory_EventTriggerForcesRowSecurity_Reported covers platforms that force row security on every
// new table.
func TestHistory_EventTriggerForcesRowSecurity_Reported(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1"})
	w.Exec(t, `CREATE FUNCTION force() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table' LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', r.object_identity); END LOOP; END $$;
		CREATE EVENT TRIGGER rls ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION force()`)
	golden(t, "record-row-security", w.mustExit(6, "up").err)
	w.Exec(t, "DROP EVENT TRIGGER rls")
	w.mustExit(0, "up")
}

func TestHistory_DeferredConstraintFails_AttributedToFile(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a DEFERRABLE INITIALLY DEFERRED); INSERT INTO b VALUES (1)"})
	out := w.mustExit(6, "up")
	assert.NotContains(t, out.err, "could not be recorded")
	assert.Contains(t, out.err, "violates foreign key constraint")
}

// TestHistory_SchemaCreatedByFirstMigration_Recorded covers a schema for the version table that does not
// exist before the run.
func TestHistory_SchemaCreatedByFirstMigration_Recorded(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)"})
	w.Exec(t, fmt.Sprintf("GRANT CREATE ON DATABASE %q TO %q", w.Name, w.User))
	golden(t, "record-no-schema", w.mustExit(6, "up", "--table", "shop.x").err)
	w.write("1_a.up.sql", "CREATE SCHEMA shop; CREATE TABLE shop.a (b int)")
	w.write("2_b.up.sql", "CREATE INDEX CONCURRENTLY ON shop.a (b)")
	w.mustExit(0, "up", "--table", "shop.x")
	w.mustExit(0, "up", "--table", "shop.x")
	assert.Equal(t, "2", w.Value(t, "SELECT version FROM shop.x"))
	alone := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE SCHEMA shop; CREATE TABLE shop.a (b int)", "2_b.up.sql": "SELECT 2"})
	alone.Exec(t, fmt.Sprintf("GRANT CREATE ON DATABASE %q TO %q", alone.Name, alone.User))
	alone.mustExit(0, "up", "--table", "shop.x", "--tx-mode", "all")
	require.Equal(t, "2", alone.Value(t, "SELECT version FROM shop.x"))
}

// TestHistory_StatementCountNotWritable_Reported covers a file that runs statement by statement. An error
// in recording the count must not be reported as an error of the statement.
func TestHistory_StatementCountNotWritable_Reported(t *testing.T) {
	t.Parallel()
	const concurrently = "CREATE TABLE k (a int); CREATE INDEX CONCURRENTLY i ON k (a); "
	for name, c := range map[string]struct {
		file string
		code int
	}{
		"schema":    {"DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public; CREATE TABLE k (a int); CREATE INDEX CONCURRENTLY i ON k (a)", 6},
		"directive": {"-- shiplock:no-transaction\nDROP TABLE schema_migrations_history", 6},
		"rename":    {concurrently + "ALTER TABLE schema_migrations_history RENAME TO old; SELECT 1", 7},
		"column":    {concurrently + "ALTER TABLE schema_migrations_history DROP COLUMN statements_applied; SELECT 1", 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, guests)
			w.mustExit(0, "up")
			w.Exec(t, fmt.Sprintf("ALTER SCHEMA public OWNER TO %q", w.User))
			w.write("3_c.up.sql", c.file)
			out := w.mustExit(c.code, "up")
			assert.Contains(t, out.err, "remove the statement from the migration, or exclude Shiplock's tables")
			assert.NotContains(t, out.err, "permission denied for role")
			w.write("3_c.up.sql", concurrently+"SELECT 1")
			w.mustExit(0, "up")
		})
	}
}
