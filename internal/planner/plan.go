package planner

import (
	"slices"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/source"
)

// A Plan takes a database from one version to another.
type Plan struct {
	From, To int
	Steps    []Step
	// Newer is set if the database is ahead of the files and there is nothing to do.
	Newer bool
	// Ahead has the applied versions above the newest file, as far as the history table
	// has them; set with Newer.
	Ahead []source.Migration
}

// A Step runs one file.
type Step struct {
	Migration source.Migration
	Direction source.Direction
	Target    int  // the version after it
	Resume    bool // the file is partially applied
}

// File returns the name of the file that the step runs.
func (s Step) File() string { return s.Migration.File(s.Direction) }

// RollsBack reports whether the plan starts with a rollback, even if it applies migrations
// afterwards.
func (p Plan) RollsBack() bool { return len(p.Steps) > 0 && p.Steps[0].Direction == source.Down }

// WithoutDown returns the versions that the plan applies and that have no down file, as
// text; "" for none.
func (p Plan) WithoutDown() string { return versions(p.withoutDown()) }

func (p Plan) withoutDown() []source.Migration {
	return slices.DeleteFunc(InDirection(p.Steps, source.Up), func(m source.Migration) bool { return m.Down != "" })
}

// stateAfter returns the state after a plan that rolls back.
func (p Plan) stateAfter(st State) State {
	after := State{Version: p.To, Table: st.Table, Edited: st.Edited, LineEndings: st.LineEndings}
	for _, e := range st.Entries {
		if slices.ContainsFunc(p.Steps, func(s Step) bool { return int(s.Migration.Version) == e.Version }) {
			e = history.Entry{Version: e.Version, Name: e.Name, Direction: source.Down, Outcome: history.Applied}
		}
		after.Entries = append(after.Entries, e)
	}
	return after
}

// InDirection returns the migrations of the steps in one direction.
func InDirection(steps []Step, d source.Direction) []source.Migration {
	var out []source.Migration
	for _, s := range steps {
		if s.Direction == d {
			out = append(out, s.Migration)
		}
	}
	return out
}
