package planner

import "github.com/shiplock/shiplock/internal/source"

// startPlan returns an empty plan, or one that first completes a partially applied migration.
func startPlan(c *source.Catalog, st State, d source.Direction) (Plan, error) {
	if !st.Dirty {
		return Plan{From: st.Version, To: st.Version}, nil
	}
	r := st.Partial()
	if r == nil {
		return Plan{}, &Refusal{Cause: Dirty, DatabaseVersion: st.Version, Table: st.Table}
	}
	m, ok := c.Find(uint(r.Version))
	step := Step{Migration: m, Direction: r.Direction, Target: st.Version, Resume: true}
	refusal := func(cause Cause) *Refusal {
		return &Refusal{Cause: cause, Version: r.Version, Name: r.Name, Direction: r.Direction, DatabaseVersion: st.Version, Origin: c.Origin(),
			StatementsApplied: r.StatementsApplied, StatementsTotal: r.StatementsTotal}
	}
	if r.Direction != d && d == source.Down {
		return Plan{}, refusal(UpPartiallyApplied)
	}
	if r.Direction != d {
		return Plan{}, refusal(DownPartiallyApplied)
	}
	if !ok || step.File() == "" {
		return Plan{}, refusal(NoFileToResume)
	}
	from := st.Version // the target of an out-of-order migration or of a rollback is not its own version
	if st.Version == r.Version {
		from = VersionBelow(c, r.Version)
	}
	if d == source.Down {
		from = r.Version
	}
	return Plan{From: from, To: st.Version, Steps: []Step{step}}, nil
}
