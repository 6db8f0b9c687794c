package report

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/engine"
)

const maxLosses = 12 // lines

// lossState is what a rollback that would lose data has left.
func lossState(e *engine.DataLossError) string {
	if e.Run == nil {
		return "nothing was run"
	}
	return fmt.Sprintf("the count before the rollback did not find these rows; %s was rolled back; %s", e.Losses[0].File, stateAt(e))
}

// lossCard explains a rollback that was not begun, or that ended where it would lose data.
func lossCard(e *engine.DataLossError) Card {
	c := Card{Code: ExitRefused, Title: fmt.Sprintf("refused: going down from version %s to %s would lose data", version(e.From), version(e.To))}
	var lines []string
	for i, l := range e.Losses {
		if i == maxLosses {
			lines = append(lines, fmt.Sprintf("and %d more", len(e.Losses)-maxLosses))
			break
		}
		lines = append(lines, l.String())
	}
	c.addFolded("loses", strings.Join(lines, "\n"))
	c.add("state", lossState(e))
	c.add("next", "keep the newer schema (--on-newer allow) and roll forward; or, with a backup, go down with --allow-data-loss (in the chart: rollback.allowDataLoss)")
	return c
}
