package advice

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/servermessage"
)

// Table returns the next step for a version table or history table that cannot be used.
func Table(e *history.TableError) string {
	here, there := e.Schema+"."+e.VersionTable, e.OtherSchema+"."+e.VersionTable
	table, role := pq.QuoteIdentifier(e.Schema)+"."+pq.QuoteIdentifier(e.Table), pq.QuoteIdentifier(e.Role)
	usage := ""
	if e.OtherDenied {
		usage = fmt.Sprintf("\nthe role has no USAGE privilege on schema %s: GRANT USAGE ON SCHEMA %s TO %s;", e.OtherSchema, pq.QuoteIdentifier(e.OtherSchema), role)
	}
	switch e.Problem {
	case history.TableInTempSchema:
		return "remove pg_temp from the search_path, or specify the schema: --table schema." + e.VersionTable
	case history.TablesElsewhere:
		return fmt.Sprintf("use %s: set --table %s (in the chart: migrationsTable), or correct the search_path\nto start with no migrations applied in %s: set --table %s", there, there, e.Schema, here) + usage
	case history.NoSchemaButTables:
		return fmt.Sprintf("set --table %s (in the chart: migrationsTable), or correct the search_path", there) + usage
	case history.MigratedElsewhere:
		return fmt.Sprintf("import %s: set --table %s (in the chart: migrationsTable), or correct the search_path\nif it belongs to another application: set --table %s", there, there, here)
	case history.ForeignVersionTable:
		advice := "use another version table: --table shiplock_migrations (in the chart: migrationsTable)"
		if e.Tool != "" {
			advice += "\nto run that tool under a lock: migrator exec"
		}
		return advice
	case history.ForeignHistoryTable:
		return fmt.Sprintf("rename or move it, or use another version table, whose history table has another name: --table (in the chart: migrationsTable; currently %s)", here)
	case history.AlteredHistoryTable:
		return fmt.Sprintf("restore the columns (ALTER TABLE %s ADD COLUMN …, or ALTER COLUMN … TYPE …), and remove the statement that changed them from the migrations", table)
	case history.HiddenRows:
		policy := fmt.Sprintf("\nor: CREATE POLICY shiplock ON %s TO %s USING (true) WITH CHECK (true);", table, role)
		if e.Owned {
			return fmt.Sprintf("run: ALTER TABLE %s NO FORCE ROW LEVEL SECURITY;", table) + policy
		}
		return fmt.Sprintf("as the owner (%s) or a superuser, run: ALTER TABLE %s DISABLE ROW LEVEL SECURITY;", e.Owner, table) + policy
	case history.InvalidVersionRow:
		return fmt.Sprintf("correct the row: UPDATE %s SET version = …, dirty = false;\nor use another version table: --table (in the chart: migrationsTable)", table)
	case history.SeveralVersionRows:
		return fmt.Sprintf("compare the schema with the files and keep the correct row: DELETE FROM %s WHERE version <> …;\nor use another version table: --table (in the chart: migrationsTable)", table)
	}
	return ""
}

// readOnlyCommands are the commands that read the version table and the history table,
// and write neither.
var readOnlyCommands = map[string]bool{"status": true, "history": true, "plan": true, "wait": true}

// DeniedTable returns the advice for a version table, or its history table, that belongs
// to another role.
func DeniedTable(e *pq.Error, run report.Run) string {
	denied := servermessage.DeniedTable(e)
	if denied == "" {
		return "grant the role its privileges on the version table and the history table, or connect as their owner"
	}
	table, role := strings.TrimSuffix(denied, history.Suffix), pq.QuoteIdentifier(cmp.Or(run.Role, "ROLE"))
	versions, recorded := pq.QuoteIdentifier(table), pq.QuoteIdentifier(table+history.Suffix)
	if readOnlyCommands[run.Command] {
		return fmt.Sprintf("run as the owner or a superuser: GRANT SELECT ON %s TO %s;\nand the same for %s, if it exists", versions, role, recorded)
	}
	return fmt.Sprintf("run as a superuser: ALTER TABLE %s OWNER TO %s;\nand the same for %s, if it exists; or connect as the role that owns them", versions, role, recorded)
}
