package report

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/engine"
)

const maxLosses = 12 // lines

// lossState is what a rollback that would lose data has left.
func dataLossState(e *engine.DataLossError) string {
	if e.Run == nil {
		return "nothing was run"
	}
	return fmt.Sprintf("the count before the rollback did not find these rows; %s was rolled back; %s", e.Losses[0].File, databaseState(e))
}

// lossCard explains a rollback that was not begun, or that ended where it would lose data.
func dataLossReport(e *engine.DataLossError) Report {
	c := Report{Code: ExitRefused, Title: fmt.Sprintf("refused: going down from version %s to %s would lose data", versionText(e.From), versionText(e.To))}
	var lines []string
	for i, l := range e.Losses {
		if i == maxLosses {
			lines = append(lines, fmt.Sprintf("and %d more", len(e.Losses)-maxLosses))
			break
		}
		lines = append(lines, l.String())
	}
	c.addFolded("loses", strings.Join(lines, "\n"))
	c.add("state", dataLossState(e))
	c.add("next", "keep the newer schema (--on-newer allow) and roll forward; or, with a backup, go down with --allow-data-loss (in the chart: rollback.allowDataLoss)")
	return c
}
