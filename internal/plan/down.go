package plan

import (
	"fmt"
	"slices"

	"github.com/shiplock/shiplock/internal/source"
)

// ForDown plans the way back to version to; NoVersion undoes everything. What the
// journal knows not to be applied is passed over. The catalog may be a union: what
// only the journal knows is undone as it says.
func ForDown(c *source.Catalog, st State, to int, p Policy) (Plan, error) {
	plan, err := startPlan(c, st, p, Down)
	if err != nil {
		return Plan{}, err
	}
	if err := checkDownTarget(c, st, to); err != nil {
		return Plan{}, err
	}
	plan.To = max(to, NoVersion)
	applied := appliedUpTo(c, st, st.Version)
	for i, m := range slices.Backward(applied) {
		if int(m.Version) <= to {
			break
		}
		if err := checkReversible(m); err != nil {
			return Plan{}, err
		}
		target := NoVersion
		if i > 0 {
			target = int(applied[i-1].Version)
		}
		plan.Steps = append(plan.Steps, Step{Migration: m, Direction: Down, Target: max(target, to)})
	}
	return plan, nil
}

// ForDownToFiles is ForDown to the newest applied version that the files have or
// reach beyond: what a newer release has brought is undone.
func ForDownToFiles(c *source.Catalog, st State, p Policy) (Plan, error) {
	if !isAhead(c.Files(), st) {
		return startPlan(c, st, p, Down)
	}
	if err := checkSameApplication(c.Files(), st, p); err != nil {
		return Plan{}, err
	}
	to := NoVersion
	for _, m := range appliedUpTo(c, st, int(c.Files().Latest())) {
		to = max(to, int(m.Version))
	}
	return ForDown(c, st, to, p)
}

// checkSameApplication refuses files of which none is what ran here: with another application's
// nearly all of this one would be undone.
func checkSameApplication(files *source.Catalog, st State, p Policy) error {
	applied := appliedUpTo(files, st, int(files.Latest()))
	edited := len(st.Edited) - len(st.LineEndings)
	if edited == 0 || edited < len(applied) || p.OnEdited == AllowEdited {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("none of the files in %s is what has run in this database", files.Origin()),
		Why:    fmt.Sprintf("it may be another application's; everything above version %d would be undone", files.Latest()),
		Next:   "look whether --database-url, --table and --source belong together; if the files were edited, all of them, pass --on-edited allow",
	}
}

// isAhead says that something is in effect, or stopped on its way down, that is above
// the newest file.
func isAhead(files *source.Catalog, st State) bool {
	latest := int(files.Latest())
	return st.Version > latest || st.Dirty && slices.ContainsFunc(st.Runs, func(r Run) bool {
		return r.Outcome == PartiallyApplied && r.Direction == Down && r.Version > latest
	})
}

// appliedUpTo lists what is in effect up to a version, that one included.
func appliedUpTo(c *source.Catalog, st State, last int) []source.Migration {
	var applied []source.Migration
	inEffect := st.appliedVersions()
	for _, m := range c.All() {
		v := int(m.Version)
		if v <= min(last, st.Version) && (v == st.Version || len(st.Runs) == 0 || inEffect[v]) {
			applied = append(applied, m)
		}
	}
	return applied
}

// checkReversible refuses what there is no down for.
func checkReversible(m source.Migration) error {
	switch {
	case m.Irreversible:
		return &Refusal{
			Reason: fmt.Sprintf("version %d (%s) is irreversible", m.Version, m.Name),
			Why:    "its up file says -- shiplock:irreversible: no SQL brings back what it took away",
			Next:   fmt.Sprintf("go down to %d only, or roll forward with a new migration; what was there before is in a backup", m.Version),
		}
	case m.Down != "":
		return nil
	case m.NoDown != "":
		return &Refusal{
			Reason: fmt.Sprintf("version %d (%s) cannot be undone from here: %s", m.Version, m.Name, m.NoDown),
			Why:    "there is no SQL to run, and nothing was begun",
			Next:   fmt.Sprintf("run this with an image that has %d_%s.down.sql and the up file that ran, or go down to %d only", m.Version, m.Name, m.Version),
		}
	}
	return &Refusal{
		Reason: fmt.Sprintf("version %d (%s) has no down file", m.Version, m.Name),
		Why:    "it cannot be undone; golang-migrate would lower the version and leave the schema as it is",
		Next:   fmt.Sprintf("add %d_%s.down.sql (an empty one if there is nothing to undo), or go down to %d only", m.Version, m.Name, m.Version),
	}
}

func checkDownTarget(c *source.Catalog, st State, to int) error {
	if to > st.Version {
		return &Refusal{
			Reason: fmt.Sprintf("the database is at version %s, below %d", versionText(st.Version), to),
			Why:    "down only goes down",
			Next:   "name a version that status lists as applied; to go up: migrator up",
		}
	}
	if err := checkKnown(c, st); err != nil {
		return err
	}
	if _, ok := c.Find(uint(max(to, 0))); !ok && to != NoVersion {
		return &Refusal{
			Reason: fmt.Sprintf("there is no version %d in %s", to, c.Origin()),
			Why:    "down stops at a version that there is",
			Next:   "name one that status lists, or 0 to undo all",
		}
	}
	return nil
}
