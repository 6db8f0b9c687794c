package failure

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/rehearsal"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/text"
)

const maxFailures = 12 // lines

// rehearsalReport describes migrations that failed a rehearsal of up, down and up again. The
// exit code is that of a failed migration, although only a scratch database was changed.
func rehearsalReport(_ error, e *rehearsal.RehearsalError) report.Report {
	failures := e.Failures()
	c := report.Report{Code: report.ExitFailed, Title: fmt.Sprintf("rehearsal: %s in %s", text.Plural(len(failures), "fault"), text.Plural(e.Total, "migration"))}
	if left := e.Total - e.Rehearsed; left > 0 {
		c.Title = fmt.Sprintf("rehearsal: stopped after %d of %s, with %s", e.Rehearsed, text.Plural(e.Total, "migration"), text.Plural(len(failures), "fault"))
	}
	var lines []string
	for i, f := range failures {
		if i == maxFailures {
			lines = append(lines, fmt.Sprintf("and %d more", len(failures)-maxFailures))
			break
		}
		lines = append(lines, fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Kind))
	}
	c.AddFolded("faults", strings.Join(lines, "\n"))
	c.Add("state", "only the scratch database was changed, and it is empty again")
	c.Add("next", "correct the files listed here; the schema differences are printed above, object by object")
	return c
}
