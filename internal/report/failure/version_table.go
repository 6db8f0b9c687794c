package failure

import (
	"fmt"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/report"
)

// tableReport describes a version table or history table that cannot be used.
func tableReport(_ error, e *postgres.TableError) report.Report {
	return refused(e.Message, tableDetail(e), tableErrorAdvice(e))
}

func tableDetail(e *postgres.TableError) string {
	switch {
	case e.Problem == postgres.TablesElsewhere:
		return fmt.Sprintf("without --table schema.name, the tables are in current_schema(), which is now %s; possible causes are a new schema named like the role, a changed search_path (URL, PGOPTIONS, ALTER ROLE, ALTER DATABASE) or a revoked USAGE privilege; "+
			"every migration would run again", e.Schema)
	case e.Problem == postgres.NoSchemaButTables:
		return "possible causes are a changed search_path, a dropped schema or a revoked USAGE privilege"
	case e.Problem == postgres.HiddenRows && e.Owned:
		return "row security is forced on the owner, too (FORCE ROW LEVEL SECURITY), and without all rows, it cannot be determined which migrations have been applied"
	case e.Problem == postgres.HiddenRows:
		return "without all rows, it cannot be determined which migrations have been applied"
	}
	return e.Detail
}

func tableErrorAdvice(e *postgres.TableError) string {
	here, there := e.Schema+"."+e.VersionTable, e.OtherSchema+"."+e.VersionTable
	table, role := pq.QuoteIdentifier(e.Schema)+"."+pq.QuoteIdentifier(e.Table), pq.QuoteIdentifier(e.Role)
	usage := ""
	if e.OtherDenied {
		usage = fmt.Sprintf("\nthe role has no USAGE privilege on schema %s: GRANT USAGE ON SCHEMA %s TO %s;", e.OtherSchema, pq.QuoteIdentifier(e.OtherSchema), role)
	}
	switch e.Problem {
	case postgres.TableInTempSchema:
		return "remove pg_temp from the search_path, or specify the schema: --table schema." + e.VersionTable
	case postgres.TablesElsewhere:
		return fmt.Sprintf("use %s: set --table %s (in the chart: migrationsTable), or correct the search_path\nto start with no migrations applied in %s: set --table %s", there, there, e.Schema, here) + usage
	case postgres.NoSchemaButTables:
		return fmt.Sprintf("set --table %s (in the chart: migrationsTable), or correct the search_path", there) + usage
	case postgres.MigratedElsewhere:
		return fmt.Sprintf("import %s: set --table %s (in the chart: migrationsTable), or correct the search_path\nif it belongs to another application: set --table %s", there, there, here)
	case postgres.ForeignVersionTable:
		advice := "use another version table: --table shiplock_migrations (in the chart: migrationsTable)"
		if e.Tool != "" {
			advice += "\nto run that tool under a lock: migrator exec"
		}
		return advice
	case postgres.ForeignHistoryTable:
		return fmt.Sprintf("rename or move it, or use another version table, whose history table has another name: --table (in the chart: migrationsTable; currently %s)", here)
	case postgres.AlteredHistoryTable:
		return fmt.Sprintf("restore the columns (ALTER TABLE %s ADD COLUMN …, or ALTER COLUMN … TYPE …), and remove the statement that changed them from the migrations", table)
	case postgres.HiddenRows:
		policy := fmt.Sprintf("\nor: CREATE POLICY shiplock ON %s TO %s USING (true) WITH CHECK (true);", table, role)
		if e.Owned {
			return fmt.Sprintf("run: ALTER TABLE %s NO FORCE ROW LEVEL SECURITY;", table) + policy
		}
		return fmt.Sprintf("as the owner (%s) or a superuser, run: ALTER TABLE %s DISABLE ROW LEVEL SECURITY;", e.Owner, table) + policy
	case postgres.InvalidVersionRow:
		return fmt.Sprintf("correct the row: UPDATE %s SET version = …, dirty = false;\nor use another version table: --table (in the chart: migrationsTable)", table)
	case postgres.SeveralVersionRows:
		return fmt.Sprintf("compare the schema with the files and keep the correct row: DELETE FROM %s WHERE version <> …;\nor use another version table: --table (in the chart: migrationsTable)", table)
	}
	return ""
}
