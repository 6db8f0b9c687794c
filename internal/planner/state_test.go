package planner

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/source"
)

func TestIsApplied_OutcomeAndDirection_Decide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome   string
		dirty     bool
		up, down  bool // whether the migration is applied after a run in this direction
		resumable bool // whether the run can be resumed
	}{
		{outcome: history.Applied, up: true},
		{outcome: history.Imported, up: true},
		{outcome: history.Resolved, up: true, dirty: true},
		{outcome: history.Baselined, up: true},
		{outcome: history.BaselinedUnverified, up: true},
		{outcome: history.Failed, down: true},
		{outcome: history.Failed, down: true, dirty: true},
		{outcome: history.Running, dirty: true, resumable: true},
		{outcome: history.PartiallyApplied, dirty: true, resumable: true},
		{outcome: history.Repaired, dirty: true, resumable: true},
		// Another tool has set the version since.
		{outcome: history.Running, up: true},
		{outcome: history.PartiallyApplied, up: true},
		{outcome: history.Repaired, up: true},
	} {
		for direction, want := range map[source.Direction]bool{source.Up: c.up, source.Down: c.down} {
			entry := history.Entry{Version: 3, Direction: direction, Outcome: c.outcome}
			st := State{Version: 3, Dirty: c.dirty, Entries: []history.Entry{entry}}
			assert.Equal(t, want, st.IsApplied(entry), "%s, %s, dirty: %t", c.outcome, direction, c.dirty)
			assert.Equal(t, c.resumable, st.Partial() != nil, "%s, %s, dirty: %t", c.outcome, direction, c.dirty)
		}
	}
}
