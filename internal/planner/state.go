package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// NoVersion is the version of a database without migrations, as in golang-migrate.
const NoVersion = -1

// A Direction is that of a step.
type Direction string

// The directions.
const (
	Up   Direction = "up"
	Down Direction = "down"
)

// State is the state of the database.
type State struct {
	Version int // NoVersion before the first migration
	Dirty   bool
	// Runs has the newest row of the history table for each version; it is empty if there
	// is no history table yet.
	Runs []Run
	// Edited has the applied versions whose files differ from what was applied.
	Edited []uint
	// LineEndings has those of Edited whose files differ only in line endings, with the
	// line endings that were applied.
	LineEndings map[uint]sqlfile.LineEndings
}

// A Run is a row of the history table.
type Run struct {
	Version                            int
	Name                               string
	Direction                          Direction
	Outcome                            Outcome
	StatementsApplied, StatementsTotal int
	// MinCompatibleVersion is the oldest version of the files that is compatible with it;
	// 0 for any.
	MinCompatibleVersion uint
}

// An Outcome is how a run ended.
type Outcome int

// The outcomes of a run.
const (
	Completed        Outcome = iota // by Shiplock or another tool
	RolledBack                      // failed and was rolled back
	PartiallyApplied                // stopped after some statements; it can be resumed
)

// IsApplied reports whether the run's migration is applied. It is false for one that is
// partially applied.
func (r Run) IsApplied() bool {
	return r.Outcome == Completed && r.Direction == Up || r.Outcome == RolledBack && r.Direction == Down
}

// appliedVersions returns the versions of the history table, and whether each is applied.
func (st State) appliedVersions() map[int]bool {
	out := make(map[int]bool, len(st.Runs))
	for _, r := range st.Runs {
		out[r.Version] = r.IsApplied()
	}
	return out
}

// InDirection returns the runs of one direction.
func InDirection(runs []Run, d Direction) []Run {
	return slices.DeleteFunc(slices.Clone(runs), func(r Run) bool { return r.Direction != d })
}

// maxListed is the most versions that a message lists; it counts the others.
const maxListed = 10

// Names returns the versions and names of runs as text.
func Names(runs []Run) string {
	return list(runs, func(r Run) string { return fmt.Sprintf("%d (%s)", r.Version, r.Name) })
}

// versions returns the versions of runs as text.
func versions(runs []Run) string {
	return list(runs, func(r Run) string { return fmt.Sprint(r.Version) })
}

func list(runs []Run, text func(Run) string) string {
	var out []string
	for i, r := range runs {
		if i == maxListed {
			out = append(out, fmt.Sprintf("and %d more", len(runs)-maxListed))
			break
		}
		out = append(out, text(r))
	}
	return strings.Join(out, ", ")
}

// VersionText returns a version, or "none" for NoVersion.
func VersionText(v int) string {
	if v == NoVersion {
		return "none"
	}
	return fmt.Sprint(v)
}
