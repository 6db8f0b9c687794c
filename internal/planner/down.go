package planner

import (
	"slices"

	"github.com/shiplock/shiplock/internal/source"
)

// ForDown plans a rollback to version to; NoVersion rolls back everything. It skips
// migrations that are not applied according to the history table. The catalog may include
// migrations of the history table, which are rolled back with their stored down SQL.
func ForDown(c *source.Catalog, st State, to int, p Policy) (Plan, error) {
	plan, err := startPlan(c, st, source.Down)
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
		plan.Steps = append(plan.Steps, Step{Migration: m, Direction: source.Down, Target: max(target, to)})
	}
	return plan, nil
}

// ForDownToFiles plans a rollback to the newest applied version that is not above the
// newest file: it rolls back the migrations of a newer release.
func ForDownToFiles(c *source.Catalog, st State, p Policy) (Plan, error) {
	if !isAhead(c.Files(), st) {
		return startPlan(c, st, source.Down)
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
