package report

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/postgres"
)

// sessionStateReport describes a file that cannot be resumed without the session that ran
// its first statements.
func sessionStateReport(e *postgres.SessionStateError) Report {
	c := Report{Code: ExitRefused, Title: fmt.Sprintf("refused: %s cannot be resumed after statement %d of %d: its session state is lost", e.File, e.Applied, e.Total)}
	c.add("migration", fmt.Sprintf("%s, line %d (version %d %s)", e.File, e.NextLine, e.Version, e.Direction))
	if e.Err != nil {
		c.add("why", "the server does not accept the settings that the session had")
		c.addServer(e.Err)
	} else {
		c.add("why", "the session that ran the first statements has ended; a new session lacks: "+strings.Join(e.LostState, ", "))
	}
	c.add("state", fmt.Sprintf("%s applied, none after them; this run made no changes", statements(e.Applied, e.Total)))
	applied, rolledBack := "--applied", "--rolled-back"
	if e.Direction == "down" {
		applied, rolledBack = rolledBack, applied
	}
	c.add("next", fmt.Sprintf("run the rest of the file manually, from statement %d on, in a session that has the missing state;\n"+
		"then run: migrator repair %s\nor roll back the file's changes manually, then run: migrator repair %s\nthen deploy again", e.NextNumber, applied, rolledBack))
	return c
}

// leftovers returns the objects that a failed statement left, and the SQL that removes them.
func leftovers(e *postgres.MigrationError) (what, sql string) {
	var names, statements []string
	for _, l := range e.Leftovers {
		names, statements = append(names, l.What), append(statements, l.SQL+";")
	}
	return strings.Join(names, ", "), strings.Join(statements, "\n")
}
