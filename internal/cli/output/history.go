package output

import (
	"fmt"
	"io"
	"strings"

	"github.com/shiplock/shiplock/internal/status"
)

// History prints the result of migrator history. only is the version whose runs h contains,
// or nil if h contains all runs.
func History(w io.Writer, h status.History, only *uint) error {
	t := newTable(w)
	t.row("database", h.Database)
	switch {
	case len(h.Runs) == 0 && only != nil:
		t.row("history", fmt.Sprintf("no runs of version %d in the history table of %s", *only, h.Table))
		return t.flush()
	case len(h.Runs) == 0:
		t.row("history", fmt.Sprintf("no runs: the history table of %s does not exist or is empty", h.Table))
		return t.flush()
	}
	t.row()
	t.row("RUN", "STARTED", "VERSION", "NAME", "DIRECTION", "OUTCOME", "DURATION", "BY")
	for _, r := range h.Runs {
		t.row(r.ID, timeText(r.Started), r.Version, r.Name, r.Direction, runOutcome(r), durationText(r.DurationSeconds), runActor(r))
	}
	return t.flush()
}

func runOutcome(r status.HistoryEntry) string {
	switch {
	case r.RollsBack > 0:
		return fmt.Sprintf("%s, rolls back run %d", r.Outcome, r.RollsBack)
	case r.RolledBackBy > 0:
		return fmt.Sprintf("%s, rolled back by run %d", r.Outcome, r.RolledBackBy)
	case r.Error != "":
		return r.Outcome + ": " + r.Error
	case r.StatementsApplied < r.StatementsTotal:
		return fmt.Sprintf("%s, %d of %d statements", r.Outcome, r.StatementsApplied, r.StatementsTotal)
	}
	return r.Outcome
}

func runActor(r status.HistoryEntry) string {
	var release []string
	for _, part := range []struct{ name, value string }{{"", r.Release}, {"revision ", r.Revision}, {"namespace ", r.Namespace}, {"pod ", r.Pod}} {
		if part.value != "" {
			release = append(release, part.name+part.value)
		}
	}
	return actor(r.User, strings.Join(release, ", "))
}
