package failure

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/report/advice"
)

// tableReport describes a version table or history table that cannot be used.
func tableReport(_ error, e *history.TableError) report.Report {
	return refused(e.Message, tableDetail(e), advice.Table(e))
}

func tableDetail(e *history.TableError) string {
	switch {
	case e.Problem == history.TablesElsewhere:
		return fmt.Sprintf("without --table schema.name, the tables are in current_schema(), which is now %s; possible causes are a new schema named like the role, a changed search_path (URL, PGOPTIONS, ALTER ROLE, ALTER DATABASE) or a revoked USAGE privilege; "+
			"every migration would run again", e.Schema)
	case e.Problem == history.NoSchemaButTables:
		return "possible causes are a changed search_path, a dropped schema or a revoked USAGE privilege"
	case e.Problem == history.HiddenRows && e.Owned:
		return "row security is forced on the owner, too (FORCE ROW LEVEL SECURITY), and without all rows, it cannot be determined which migrations have been applied"
	case e.Problem == history.HiddenRows:
		return "without all rows, it cannot be determined which migrations have been applied"
	}
	return e.Detail
}
