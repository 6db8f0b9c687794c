package failure

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/rehearsal"
	"github.com/shiplock/shiplock/internal/report"
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

// refusalReport returns a function for refusals that package advice explains.
func refusalReport[E error](explain func(E) (why, next string)) func(error, E) report.Report {
	return func(_ error, e E) report.Report {
		why, next := explain(e)
		return refused(e.Error(), why, next)
	}
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
	return notScratch(e.Target, e.Error())
}

func realDatabaseReport(_ error, e *rehearsal.RealDatabaseError) report.Report {
	if e.Unreachable != "" {
		return notScratch(e.Scratch, fmt.Sprintf("the scratch database %s has the same name as the database of DATABASE_URL, or PGHOST and PGDATABASE (%s), "+
			"which cannot be reached to verify that they are different databases: it might be emptied", e.Scratch, e.Unreachable))
	}
	return notScratch(e.Scratch, fmt.Sprintf("the scratch database %s is the database of DATABASE_URL (or PGHOST and PGDATABASE): it would be emptied", e.Scratch))
}

func notScratch(database, reason string) report.Report {
	c := refused(reason, "a rehearsal repeatedly creates and drops everything in this database",
		"set --scratch-url to an empty database that is used for nothing else (CREATE DATABASE scratch)")
	c.Database = database
	return c
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
