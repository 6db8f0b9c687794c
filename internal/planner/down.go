package planner

import (
	"fmt"
	"slices"

	"github.com/shiplock/shiplock/internal/source"
)

// ForDown plans a rollback to version to; NoVersion rolls back everything. It skips
// migrations that are not applied according to the history table. The catalog may include
// migrations of the history table, which are rolled back with their stored down SQL.
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

// ForDownToFiles plans a rollback to the newest applied version that is not above the
// newest file: it rolls back the migrations of a newer release.
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

// checkSameApplication refuses files none of which matches what was applied: with the
// files of another application, nearly every migration would be rolled back.
func checkSameApplication(files *source.Catalog, st State, p Policy) error {
	applied := appliedUpTo(files, st, int(files.Latest()))
	edited := len(st.Edited) - len(st.LineEndings)
	if edited == 0 || edited < len(applied) || p.OnEdited == AllowEdited {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("none of the files in %s matches what was applied to this database", files.Origin()),
		Why:    fmt.Sprintf("the database may belong to another application; everything above version %d would be rolled back", files.Latest()),
		Next:   "check that --database-url, --table and --source belong together; if all files were edited, set --on-edited allow",
	}
}

// isAhead reports whether a version above the newest file is applied, or its rollback is
// unfinished.
func isAhead(files *source.Catalog, st State) bool {
	latest := int(files.Latest())
	return st.Version > latest || st.Dirty && slices.ContainsFunc(st.Runs, func(r Run) bool {
		return r.Outcome == PartiallyApplied && r.Direction == Down && r.Version > latest
	})
}

// appliedUpTo returns the applied migrations up to a version, inclusive.
func appliedUpTo(c *source.Catalog, st State, last int) []source.Migration {
	var applied []source.Migration
	isApplied := st.appliedVersions()
	for _, m := range c.All() {
		v := int(m.Version)
		if v <= min(last, st.Version) && (v == st.Version || len(st.Runs) == 0 || isApplied[v]) {
			applied = append(applied, m)
		}
	}
	return applied
}

// checkReversible refuses a migration that has no down script.
func checkReversible(m source.Migration) error {
	switch {
	case m.Irreversible:
		return &Refusal{
			Reason: fmt.Sprintf("version %d (%s) is irreversible", m.Version, m.Name),
			Why:    "its up file contains -- shiplock:irreversible: no SQL can restore what it removes",
			Next:   fmt.Sprintf("roll back to %d only, or roll forward with a new migration; restore earlier data from a backup", m.Version),
		}
	case m.Down != "":
		return nil
	case m.NoDown != "":
		return &Refusal{
			Reason: fmt.Sprintf("version %d (%s) cannot be rolled back here: %s", m.Version, m.Name, m.NoDown),
			Why:    "there is no down SQL to run",
			Next:   fmt.Sprintf("run this with an image that has %d_%s.down.sql and the up file that was applied, or roll back to %d only", m.Version, m.Name, m.Version),
		}
	}
	return &Refusal{
		Reason: fmt.Sprintf("version %d (%s) has no down file", m.Version, m.Name),
		Why:    "it cannot be rolled back; golang-migrate would lower the version and leave the schema unchanged",
		Next:   fmt.Sprintf("add %d_%s.down.sql (an empty file if there is nothing to roll back), or roll back to %d only", m.Version, m.Name, m.Version),
	}
}

func checkDownTarget(c *source.Catalog, st State, to int) error {
	if to > st.Version {
		return &Refusal{
			Reason: fmt.Sprintf("the database is at version %s, below %d", VersionText(st.Version), to),
			Why:    "down only rolls back",
			Next:   "specify a version that migrator status lists as applied; to apply migrations, run: migrator up",
		}
	}
	if err := checkKnown(c, st); err != nil {
		return err
	}
	if _, ok := c.Find(uint(max(to, 0))); !ok && to != NoVersion {
		return &Refusal{
			Reason: fmt.Sprintf("there is no version %d in %s", to, c.Origin()),
			Why:    "the target must be an existing version",
			Next:   "specify a version that migrator status lists, or 0 to roll back everything",
		}
	}
	return nil
}
