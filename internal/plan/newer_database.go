package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// planAhead is the plan for a database that is ahead of the files.
func planAhead(files *source.Catalog, st State, p Policy) (Plan, error) {
	unknown := appliedAbove(files, st)
	if p.OnNewer != FailNewer {
		return Plan{From: st.Version, To: st.Version, Newer: true, Ahead: unknown}, nil
	}
	why := "an older release would run on a schema that it does not know"
	if len(unknown) > 0 {
		why += "; the journal has, beyond the files here: " + Names(unknown)
	}
	return Plan{}, &Refusal{
		Reason: fmt.Sprintf("the database is at version %d, newer than the newest file here, %d", st.Version, files.Latest()),
		Why:    why,
		Next:   "deploy the newer release, or pass --on-newer allow if this one can live with the newer schema, or undo what is newer: migrator down --to-files",
	}
}

// appliedAbove lists what is in effect above the newest file, as the journal tells it.
func appliedAbove(files *source.Catalog, st State) []Run {
	var out []Run
	for _, r := range st.Runs {
		if r.Version > int(files.Latest()) && r.Version <= st.Version && r.IsApplied() {
			out = append(out, r)
		}
	}
	return out
}

// planDownAndUp undoes what is newer than the files, and applies what of them has not
// run: an older release may have a hotfix that the newer one had not.
func planDownAndUp(c *source.Catalog, st State, p Policy) (Plan, error) {
	down, err := ForDownToFiles(c, st, p)
	if err != nil {
		return Plan{}, err
	}
	up, err := ForUp(c, down.stateAfter(st), p)
	return Plan{From: down.From, To: up.To, Steps: append(down.Steps, up.Steps...)}, err
}

// stateAfter is the state after a plan that goes down.
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

// RollsBack says that the plan undoes, be it that it applies something then.
func (p Plan) RollsBack() bool { return len(p.Steps) > 0 && p.Steps[0].Direction == Down }

// RunsOf are steps by version, name and direction.
func RunsOf(steps []Step) []Run {
	var out []Run
	for _, s := range steps {
		out = append(out, Run{Version: int(s.Migration.Version), Name: s.Migration.Name, Direction: s.Direction})
	}
	return out
}

// InDirection are the runs that went one way.
func InDirection(runs []Run, d Direction) []Run {
	return slices.DeleteFunc(slices.Clone(runs), func(r Run) bool { return r.Direction != d })
}

// Names are runs by version and name, as text.
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

// checkMinCompatibleVersion refuses files that are too old for something that is in effect.
func checkMinCompatibleVersion(files *source.Catalog, st State) error {
	var worst Run
	for _, r := range st.Runs {
		applied := r.IsApplied() || r.Outcome == PartiallyApplied
		if applied && r.MinCompatibleVersion > files.Latest() && r.MinCompatibleVersion > worst.MinCompatibleVersion {
			worst = r
		}
	}
	if worst.MinCompatibleVersion == 0 {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("nothing older than version %d can live with version %d (%s), which is in effect; the newest file here is %d",
			worst.MinCompatibleVersion, worst.Version, worst.Name, files.Latest()),
		Why:  fmt.Sprintf("its up file says -- %s %d: what this release needs of the schema is no longer there", sqlfile.MinCompatibleVersion, worst.MinCompatibleVersion),
		Next: fmt.Sprintf("deploy a release that has version %d; or undo what is newer first: migrator down --to-files (--dry-run shows what would run), or in the chart rollback.when: pre-rollback", worst.MinCompatibleVersion),
	}
}
