package failure

import (
	"fmt"
	"time"

	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/report/advice"
	"github.com/shiplock/shiplock/internal/status"
)

// waitReport describes a wait that timed out or was stopped. If the database was
// unreachable at the end, a timeout has the exit code of an unreachable database.
func waitReport(_ error, e *status.WaitError) report.Report {
	what := "the schema is not up to date"
	switch {
	case e.Unreachable != nil:
		what = "cannot connect to the database while waiting for the schema"
	case e.Unreadable:
		what = "cannot read the schema version while waiting for the schema"
	case e.Unresponsive:
		what = "the version table does not respond while waiting for the schema"
	}
	c := report.Report{Code: stopCode(e), Title: fmt.Sprintf("%s (%v)", what, e.Err)}
	c.Add("database", e.Target)
	c.Add("waited", e.Waited.Round(100*time.Millisecond).String())
	if e.Unreachable != nil {
		addServer(&c, e.Unreachable)
	} else {
		c.Add("waiting for", e.Missing)
	}
	c.Add("state", "migrator wait makes no changes")
	switch {
	case e.Unreachable != nil:
		if c.Code == report.ExitTimeout {
			c.Code = report.ExitDatabase
		}
		c.Add("next", advice.Connection(e.Unreachable, "--timeout"))
	case e.Unreadable:
		c.Add("next", "grant this role SELECT on the version table and USAGE on its schema")
	case e.Unresponsive:
		c.Add("next", "list the sessions that lock it: SELECT pid, application_name, query FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE mode = 'AccessExclusiveLock');\nthen run it again; raise --timeout for a slow server")
	default:
		c.Add("next", "check why the migrations have not run: see the output of the migrator that should run them (in Kubernetes, its Job) and migrator status; then run it again")
	}
	return c
}
