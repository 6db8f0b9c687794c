package cli_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// loopMigration returns a migration that runs a statement for each table in public that matches a condition
// on information_schema.columns.
func loopMigration(condition, do string) string {
	return fmt.Sprintf(`DO $$ DECLARE r record; BEGIN
	FOR r IN SELECT DISTINCT table_name AS t FROM information_schema.columns WHERE table_schema = 'public' AND %s LOOP
		EXECUTE format($f$%s$f$, r.t);
	END LOOP;
END $$`, condition, do)
}

// TestLoop_OverCommonColumn_HistoryTableNotIncluded checks that no column of Shiplock's tables has a name
// that is common in applications.
func TestLoop_OverCommonColumn_HistoryTableNotIncluded(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (id int, name text, release text, error text, created_at timestamptz, outcome text, pod text)"})
	w.mustExit(0, "up")
	out := call(t.Context(), "exec", "--database-url", w.URL(), "--", "true")
	assert.Equal(t, 0, out.code, out.err)
	for i, column := range []string{"id", "name", "release", "error", "outcome", "pod", "created_at"} {
		w.write(fmt.Sprintf("%d_loop.up.sql", i+2), loopMigration("column_name = '"+column+"'", fmt.Sprintf("ALTER TABLE %%I DROP COLUMN %s, ADD COLUMN %[1]s text NOT NULL CHECK (%[1]s <> '')", column)))
	}
	w.mustExit(0, "up")
	w.mustExit(0, "up")
	assert.Equal(t, "0", w.Value(t, `SELECT count(*) FROM information_schema.columns o JOIN information_schema.columns a USING (column_name)
		WHERE o.table_name IN ('schema_migrations_history', 'schema_migrations_exec_history') AND a.table_name = 'a'`))
}

// TestLoop_OverAllTables_ReportNamesHistoryTable covers a statement that fails on Shiplock's table, which
// the file does not name.
func TestLoop_OverAllTables_ReportNamesHistoryTable(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]string{
		"column":     "UPDATE %I SET updated_at = now()",
		"constraint": "ALTER TABLE %I ADD CONSTRAINT positive CHECK (false)",
		"not-null":   "ALTER TABLE %I ADD COLUMN tenant int NOT NULL",
		"default":    "ALTER TABLE %I ALTER COLUMN updated_at SET DEFAULT now()",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, guests)
			w.mustExit(0, "up")
			w.write("3_loop.up.sql", loopMigration("table_name LIKE 'schema%' AND column_name = 'version'", do))
			out := w.mustExit(6, "up")
			assert.Contains(t, strings.Join(strings.Fields(out.err), " "), `AND table_name NOT LIKE 'schema\_migrations%'`)
			if name == "column" {
				golden(t, "loop-over-all-tables", out.err)
			}
		})
	}
	w := newWorkspace(t, guests)
	w.mustExit(0, "up")
	w.write("3_own.up.sql", "ALTER TABLE schema_migrations_history ADD CONSTRAINT positive CHECK (false)")
	assert.NotContains(t, w.mustExit(6, "up").err, "processes all tables", "the file names the table")
}
