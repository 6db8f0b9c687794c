package engine

import (
	"strings"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// warnOfBreaks says what an older version of the application would miss, of the
// migrations that do not state how old it may be. A database that was empty has none.
func warnOfBreaks(o Options, p plan.Plan, steps []postgres.Step) error {
	if p.From == plan.NoVersion {
		return nil
	}
	breaks, err := postgres.IncompatibleChanges(steps)
	for i := 0; i < len(breaks); {
		first := breaks[i]
		var missed []string
		for ; i < len(breaks) && breaks[i].Step == first.Step; i++ {
			missed = append(missed, breaks[i].Text)
		}
		o.Log.Warn("an older version of the application may not live with this migration; state the oldest version of the files that can, in a line at the top of this one: -- "+sqlfile.MinCompatibleVersion+" N",
			"file", steps[first.Step].File, "line", first.Line, "misses", strings.Join(missed, "; "))
	}
	return err
}
