package report

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/engine"
)

const maxFaults = 12 // lines

// rehearsalReport tells of migrations that did not go up, down and up again. What
// failed did so on a scratch database: the code is that of a failed migration.
func rehearsalReport(e *engine.RehearsalError) Report {
	faults := e.Faults()
	c := Report{Code: ExitFailed, Title: fmt.Sprintf("rehearsal: %s in %s", Plural(len(faults), "fault"), Plural(e.Total, "migration"))}
	if left := e.Total - e.Rehearsed; left > 0 {
		c.Title = fmt.Sprintf("rehearsal: it had to stop after %d of %s, with %s", e.Rehearsed, Plural(e.Total, "migration"), Plural(len(faults), "fault"))
	}
	var lines []string
	for i, f := range faults {
		if i == maxFaults {
			lines = append(lines, fmt.Sprintf("and %d more", len(faults)-maxFaults))
			break
		}
		lines = append(lines, fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Kind))
	}
	c.addFolded("faults", strings.Join(lines, "\n"))
	c.add("state", "only the scratch database was touched, and it is empty again")
	c.add("next", "correct the files that are named; what is different in the schema is printed above, object by object")
	return c
}
