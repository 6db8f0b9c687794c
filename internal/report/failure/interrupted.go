package failure

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/resume"
)

// statementsBefore describes the state of a script of which it is unknown whether the
// statement after the first n took effect.
func statementsBefore(n int) string {
	switch n {
	case 0:
		return "it is the first statement; the statements after it are not applied"
	case 1:
		return "the statement before it is applied; the statements after it are not"
	}
	return fmt.Sprintf("the %d statements before it are applied; the statements after it are not", n)
}

func unknownOutcomeReport(_ error, e *resume.UnknownOutcomeError) report.Report {
	if e.Uncounted {
		c := report.Report{Code: report.ExitRefused, Title: fmt.Sprintf("refused: %s was interrupted, and it is unknown which of its statements took effect", e.File)}
		c.Add("migration", fmt.Sprintf("%s (version %d)", e.File, e.Version))
		c.Add("why", "the file changes the role, and the new role may lack privileges on the history table, so its statements are not counted")
		c.Add("state", fmt.Sprintf("none, some or all of its %d statements are applied", e.Total))
		c.Add("next", "compare the schema with the file and complete the migration manually, then run: migrator repair --applied\nor roll back its changes manually, then run: migrator repair --rolled-back\nthen deploy again")
		return c
	}
	c := report.Report{Code: report.ExitRefused, Title: fmt.Sprintf("refused: %s was interrupted during statement %d of %d, and it is unknown whether that statement took effect", e.File, e.Number, e.Total)}
	c.Add("migration", fmt.Sprintf("%s, line %d (version %d)", e.File, e.Line, e.Version))
	c.AddSQL("statement", e.Statement, -1)
	c.Add("state", statementsBefore(e.Number-1))
	c.Add("next", "check whether the statement took effect; if it did, run: migrator repair --statement-applied\nif it did not, run: migrator repair --statement-not-applied\nthen deploy again")
	return c
}

// changedReport describes a partially applied file whose applied statements were changed.
func changedReport(_ error, e *resume.ChangedError) report.Report {
	if e.LineEndings {
		return refused(e.Error(), "PostgreSQL stores the line breaks of a string or a function body as they are in the file, so they count; "+
			"the text is otherwise identical, as after a conversion by git's core.autocrlf",
			"restore the line endings, and keep them with a line in .gitattributes (\"*.sql text eol=lf\" for LF), or complete the migration manually, then run: migrator repair --applied")
	}
	return refused(e.Error(), "applied statements do not run again, so the changed text would never run",
		"restore the applied statements and correct only those after them, or complete the migration manually, then run: migrator repair --applied")
}

// sessionStateReport describes a file that cannot be resumed without the session that ran
// its first statements.
func sessionStateReport(_ error, e *resume.SessionStateError) report.Report {
	c := report.Report{Code: report.ExitRefused, Title: fmt.Sprintf("refused: %s cannot be resumed after statement %d of %d: its session state is lost", e.File, e.Applied, e.Total)}
	c.Add("migration", fmt.Sprintf("%s, line %d (version %d %s)", e.File, e.NextLine, e.Version, e.Direction))
	if e.Err != nil {
		c.Add("why", "the server does not accept the settings that the session had")
		addServer(&c, e.Err)
	} else {
		c.Add("why", "the session that ran the first statements has ended; a new session lacks: "+strings.Join(e.LostState, ", "))
	}
	c.Add("state", fmt.Sprintf("%s applied, none after them; this run made no changes", statements(e.Applied, e.Total)))
	applied, rolledBack := "--applied", "--rolled-back"
	if e.Direction == "down" {
		applied, rolledBack = rolledBack, applied
	}
	c.Add("next", fmt.Sprintf("run the rest of the file manually, from statement %d on, in a session that has the missing state;\n"+
		"then run: migrator repair %s\nor roll back the file's changes manually, then run: migrator repair %s\nthen deploy again", e.NextNumber, applied, rolledBack))
	return c
}
