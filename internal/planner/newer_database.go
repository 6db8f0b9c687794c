package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// planAhead returns the plan, or the refusal, for a database that is ahead of the files.
func planAhead(files *source.Catalog, st State, p Policy) (Plan, error) {
	unknown := appliedAbove(files, st)
	if p.OnNewer != FailNewer {
		return Plan{From: st.Version, To: st.Version, Newer: true, Ahead: unknown}, nil
	}
	why := "this release is older than the schema that it would run on"
	if len(unknown) > 0 {
		why += "; applied migrations that are not in the files: " + Names(unknown)
	}
	return Plan{}, &Refusal{
		Reason: fmt.Sprintf("the database is at version %d, ahead of the migration files (newest: %d)", st.Version, files.Latest()),
		Why:    why,
		Next:   "deploy the newer release, or set --on-newer allow if this release is compatible with the newer schema, or roll back the newer migrations: migrator down --to-files",
	}
}

// appliedAbove returns the applied migrations above the newest file, according to the
// history table.
func appliedAbove(files *source.Catalog, st State) []Run {
	var out []Run
	for _, r := range st.Runs {
		if r.Version > int(files.Latest()) && r.Version <= st.Version && r.IsApplied() {
			out = append(out, r)
		}
	}
	return out
}

// planDownAndUp plans to roll back the migrations above the files, and then to apply the
// pending files: an older release may have a hotfix that the newer one lacks.
func planDownAndUp(c *source.Catalog, st State, p Policy) (Plan, error) {
	down, err := ForDownToFiles(c, st, p)
	if err != nil {
		return Plan{}, err
	}
	up, err := ForUp(c, down.stateAfter(st), p)
	return Plan{From: down.From, To: up.To, Steps: append(down.Steps, up.Steps...)}, err
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

// RollsBack reports whether the plan starts with a rollback, even if it applies migrations
// afterwards.
func (p Plan) RollsBack() bool { return len(p.Steps) > 0 && p.Steps[0].Direction == Down }

// RunsOf returns steps as runs, with version, name and direction.
func RunsOf(steps []Step) []Run {
	var out []Run
	for _, s := range steps {
		out = append(out, Run{Version: int(s.Migration.Version), Name: s.Migration.Name, Direction: s.Direction})
	}
	return out
}

// InDirection returns the runs of one direction.
func InDirection(runs []Run, d Direction) []Run {
	return slices.DeleteFunc(slices.Clone(runs), func(r Run) bool { return r.Direction != d })
}

// Names returns the versions and names of runs as text.
func Names(runs []Run) string {
	var names []string
	for i, r := range runs {
		if i == maxListed {
			names = append(names, fmt.Sprintf("and %d more", len(runs)-maxListed))
			break
		}
		names = append(names, fmt.Sprintf("%d (%s)", r.Version, r.Name))
	}
	return strings.Join(names, ", ")
}

// checkMinCompatibleVersion refuses files whose newest version is below the minimum
// compatible version of an applied migration.
func checkMinCompatibleVersion(files *source.Catalog, st State) error {
	var newest Run
	for _, r := range st.Runs {
		applied := r.IsApplied() || r.Outcome == PartiallyApplied
		if applied && r.MinCompatibleVersion > files.Latest() && r.MinCompatibleVersion > newest.MinCompatibleVersion {
			newest = r
		}
	}
	if newest.MinCompatibleVersion == 0 {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("version %d (%s) is applied and has minimum compatible version %d; the newest file is version %d",
			newest.Version, newest.Name, newest.MinCompatibleVersion, files.Latest()),
		Why:  fmt.Sprintf("its up file contains -- %s %d: the schema no longer has what this release requires", sqlfile.MinCompatibleVersion, newest.MinCompatibleVersion),
		Next: fmt.Sprintf("deploy a release that has version %d; or roll back first: migrator down --to-files (--dry-run shows the steps), or set rollback.when: pre-rollback in the chart", newest.MinCompatibleVersion),
	}
}
