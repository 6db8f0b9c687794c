package failure

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/report"
)

const maxLosses = 12 // lines

// dataLossState returns the state of the database after a rollback stopped because of data loss.
func dataLossState(e *migrator.DataLossError) string {
	if e.Run == nil {
		return noChanges
	}
	return fmt.Sprintf("the check before the rollback did not find these rows; the transaction of %s was rolled back; %s", e.Losses[0].File, databaseState(e))
}

// dataLossReport describes a rollback that was not started, or was stopped, because it
// would delete data.
func dataLossReport(_ error, e *migrator.DataLossError) report.Report {
	c := report.Report{Code: report.ExitRefused, Title: fmt.Sprintf("refused: rolling back from version %s to %s would cause data loss", planner.VersionText(e.From), planner.VersionText(e.To))}
	var lines []string
	for i, l := range e.Losses {
		if i == maxLosses {
			lines = append(lines, fmt.Sprintf("and %d more", len(e.Losses)-maxLosses))
			break
		}
		lines = append(lines, l.String())
	}
	c.AddFolded("data loss", strings.Join(lines, "\n"))
	c.Add("state", dataLossState(e))
	c.Add("next", "keep the newer schema (--on-newer allow) and roll forward; or make a backup and roll back with --allow-data-loss (in the chart: rollback.allowDataLoss)")
	return c
}
