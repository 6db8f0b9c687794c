package planner

import (
	"slices"

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
	Ahead []Run
}

// A Step runs one file.
type Step struct {
	Migration source.Migration
	Direction Direction
	Target    int // the version after it
	// Resume is set if StatementsApplied statements of the file are already applied.
	Resume            bool
	StatementsApplied int
}

// File returns the name of the file that the step runs.
func (s Step) File() string {
	if s.Direction == Down {
		return s.Migration.Down
	}
	return s.Migration.Up
}

// RollsBack reports whether the plan starts with a rollback, even if it applies migrations
// afterwards.
func (p Plan) RollsBack() bool { return len(p.Steps) > 0 && p.Steps[0].Direction == Down }

// WithoutDown returns the versions that the plan applies and that have no down file, as
// text; "" for none.
func (p Plan) WithoutDown() string { return versions(p.withoutDown()) }

func (p Plan) withoutDown() []Run {
	missing := slices.DeleteFunc(slices.Clone(p.Steps), func(s Step) bool { return s.Direction != Up || s.Migration.Down != "" })
	return RunsOf(missing)
}

// stateAfter returns the state after a plan that rolls back.
func (p Plan) stateAfter(st State) State {
	after := State{Version: p.To, Edited: st.Edited, LineEndings: st.LineEndings}
	for _, r := range st.Runs {
		if slices.ContainsFunc(p.Steps, func(s Step) bool { return int(s.Migration.Version) == r.Version }) {
			r = Run{Version: r.Version, Name: r.Name, Direction: Down}
		}
		after.Runs = append(after.Runs, r)
	}
	return after
}

// RunsOf returns steps as runs, with version, name and direction.
func RunsOf(steps []Step) []Run {
	var out []Run
	for _, s := range steps {
		out = append(out, Run{Version: int(s.Migration.Version), Name: s.Migration.Name, Direction: s.Direction})
	}
	return out
}
