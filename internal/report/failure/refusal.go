package failure

import (
	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/report/advice"
	"github.com/shiplock/shiplock/internal/schema"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/source"
)

func refused(reason, why, next string) report.Report {
	c := report.Report{Code: report.ExitRefused, Title: "refused: " + reason}
	c.Add("why", why)
	c.Add("state", noChanges)
	c.Add("next", next)
	return c
}

// plannerRefusalReport explains why there is no plan.
func plannerRefusalReport(_ error, e *planner.Refusal) report.Report {
	why, next := advice.Refusal(e)
	return refused(e.Error(), why, next)
}

func commandRefusalReport(_ error, e *migrator.Refusal) report.Report {
	return refused(e.Reason, e.Why, e.Next)
}

// invalidNameReport describes a file or a directory that is not a migration.
func invalidNameReport(_ error, e *source.NameError) report.Report {
	why := e.Error()
	if e.Unrecognized {
		why += ", or set --unrecognized-files ignore"
	}
	return refused("invalid migrations directory", why, "fix the file name and deploy again")
}

func notScratchReport(_ error, e *schema.NotScratchError) report.Report {
	return refused(e.Error(), "a rehearsal repeatedly creates and drops everything in this database",
		"set --scratch-url to an empty database that is used for nothing else (CREATE DATABASE scratch)")
}

func sessionRequiredReport(_ error, e *executor.SessionRequiredError) report.Report {
	return refused(e.Error(), "a connection pooler in transaction mode assigns a server session for one transaction; the next statement may not see what this one sets or locks",
		"connect the migrator directly to PostgreSQL, or to a pool in session mode; the application needs no change")
}

func separateTransactionReport(_ error, e *executor.SeparateTransactionError) report.Report {
	return refused(e.Error(), "--tx-mode all guarantees that a failed run leaves no changes",
		"deploy with --tx-mode file, or move this migration to a separate release")
}

func scriptReport(err error, e *script.ScriptError) report.Report {
	c := report.Report{Code: report.ExitRefused, Title: "refused: " + e.Error()}
	c.Add("state", databaseState(err))
	c.Add("next", "correct the file and deploy again")
	return c
}
