package report

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/planner"
)

const maxLosses = 12 // lines

// dataLossState returns the state of the database after a rollback stopped because of data loss.
func dataLossState(e *engine.DataLossError) string {
	if e.Run == nil {
		return noChanges
	}
	return fmt.Sprintf("the check before the rollback did not find these rows; the transaction of %s was rolled back; %s", e.Losses[0].File, databaseState(e))
}

// dataLossReport describes a rollback that was not started, or was stopped, because it
// would delete data.
func dataLossReport(e *engine.DataLossError) Report {
	c := Report{Code: ExitRefused, Title: fmt.Sprintf("refused: rolling back from version %s to %s would cause data loss", planner.VersionText(e.From), planner.VersionText(e.To))}
	var lines []string
	for i, l := range e.Losses {
		if i == maxLosses {
			lines = append(lines, fmt.Sprintf("and %d more", len(e.Losses)-maxLosses))
			break
		}
		lines = append(lines, l.String())
	}
	c.addFolded("data loss", strings.Join(lines, "\n"))
	c.add("state", dataLossState(e))
	c.add("next", "keep the newer schema (--on-newer allow) and roll forward; or make a backup and roll back with --allow-data-loss (in the chart: rollback.allowDataLoss)")
	return c
}
