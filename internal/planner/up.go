package planner

import "github.com/shiplock/shiplock/internal/source"

// ForUp plans every migration of the files above the database's version. Migrations that
// only the history table has are not run; with DownNewer they are rolled back first.
func ForUp(c *source.Catalog, st State, p Policy) (Plan, error) {
	files := c.Files()
	if p.OnNewer == DownNewer && isAhead(files, st) {
		return planDownAndUp(c, st, p)
	}
	plan, err := startPlan(files, st, source.Up)
	if err != nil {
		return Plan{}, err
	}
	if err := checkMinCompatibleVersion(files, st); err != nil {
		return Plan{}, err
	}
	if st.Version > int(files.Latest()) && len(plan.Steps) == 0 {
		return planAhead(files, st, p)
	}
	if err := checkKnown(files, st); err != nil && len(plan.Steps) == 0 {
		return Plan{}, err
	}
	if err := checkEdited(files, st, p); err != nil {
		return Plan{}, err
	}
	late, err := outOfOrder(files, st, p)
	if err != nil {
		return Plan{}, err
	}
	plan.Steps = append(plan.Steps, late...)
	for _, m := range files.All() {
		if int(m.Version) <= plan.To {
			continue
		}
		if m.Up == "" {
			return Plan{}, &Refusal{Cause: NoUpFile, Version: int(m.Version), File: m.Down}
		}
		plan.Steps = append(plan.Steps, Step{Migration: m, Direction: source.Up, Target: int(m.Version)})
		plan.To = int(m.Version)
	}
	return plan, checkDownFiles(plan, p)
}

// planAhead returns the plan, or the refusal, for a database that is ahead of the files.
func planAhead(files *source.Catalog, st State, p Policy) (Plan, error) {
	unknown := appliedAbove(files, st)
	if p.OnNewer != FailNewer {
		return Plan{From: st.Version, To: st.Version, Newer: true, Ahead: unknown}, nil
	}
	return Plan{}, &Refusal{Cause: DatabaseAhead, DatabaseVersion: st.Version, Newest: int(files.Latest()), Migrations: unknown}
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

// outOfOrder returns steps for the pending migrations below the database's version.
func outOfOrder(c *source.Catalog, st State, p Policy) ([]Step, error) {
	if len(st.Entries) == 0 || st.Dirty {
		return nil, nil
	}
	var steps []Step
	isApplied := st.appliedVersions()
	for _, m := range c.All() {
		if int(m.Version) < st.Version && m.Up != "" && !isApplied[int(m.Version)] {
			steps = append(steps, Step{Migration: m, Direction: source.Up, Target: st.Version})
		}
	}
	if len(steps) == 0 || p.OutOfOrder == ApplyOutOfOrder {
		return steps, nil
	}
	return nil, &Refusal{Cause: PendingOutOfOrder, File: steps[0].File(), DatabaseVersion: st.Version}
}
