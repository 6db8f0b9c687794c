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
	if e.Unreachable != nil && c.Code == report.ExitTimeout {
		c.Code = report.ExitDatabase
	}
	c.Add("next", advice.Wait(e))
	return c
}
