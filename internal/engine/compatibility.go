package engine

import (
	"strings"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// warnOfIncompatibleChanges says what an older version of the application would miss, of the
// migrations that do not state how old it may be. A database that was empty has none.
func warnOfIncompatibleChanges(o Options, p plan.Plan, steps []postgres.Step) error {
	if p.From == plan.NoVersion {
		return nil
	}
	changes, err := postgres.IncompatibleChanges(steps)
	for i := 0; i < len(changes); {
		first := changes[i]
		var removed []string
		for ; i < len(changes) && changes[i].Step == first.Step; i++ {
			removed = append(removed, changes[i].Text)
		}
		o.Log.Warn("an older version of the application may not live with this migration; state the oldest version of the files that can, in a line at the top of this one: -- "+sqlfile.MinCompatibleVersion+" N",
			"file", steps[first.Step].File, "line", first.Line, "misses", strings.Join(removed, "; "))
	}
	return err
}
