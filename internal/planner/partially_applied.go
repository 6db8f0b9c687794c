package planner

import (
	"fmt"
	"slices"

	"github.com/shiplock/shiplock/internal/source"
)

// startPlan returns an empty plan, or one that first completes a partially applied migration.
func startPlan(c *source.Catalog, st State, p Policy, d Direction) (Plan, error) {
	if !st.Dirty {
		return Plan{From: st.Version, To: st.Version}, nil
	}
	i := slices.IndexFunc(st.Runs, func(r Run) bool { return r.Outcome == PartiallyApplied })
	if i < 0 {
		return Plan{}, dirtyRefusal(st, p)
	}
	r := st.Runs[i]
	m, ok := c.Find(uint(r.Version))
	step := Step{Migration: m, Direction: r.Direction, Target: st.Version, Resume: true, StatementsApplied: r.StatementsApplied}
	if r.Direction != d && d == Down {
		return Plan{}, &Refusal{
			Reason: fmt.Sprintf("version %d (%s) is partially applied (%d of %d statements)", r.Version, r.Name, r.StatementsApplied, r.StatementsTotal),
			Why:    "its down script rolls back the whole migration, but only a part of it is applied",
			Next:   "complete it with the release that has it (migrator up), then roll back; or roll back its changes manually, then run: migrator repair --rolled-back",
		}
	}
	if r.Direction != d {
		return Plan{}, &Refusal{
			Reason: fmt.Sprintf("the rollback of version %d (%s) is unfinished (%d of %d statements)", r.Version, r.Name, r.StatementsApplied, r.StatementsTotal),
			Why:    "it must be completed before anything else runs",
			Next:   fmt.Sprintf("run: migrator down --to %d", max(st.Version, 0)),
		}
	}
	if !ok || step.File() == "" {
		return Plan{}, &Refusal{
			Reason: fmt.Sprintf("version %d (%s) is partially applied (%d of %d statements), and its %s file is not in %s", r.Version, r.Name, r.StatementsApplied, r.StatementsTotal, r.Direction, c.Origin()),
			Why:    "it can be completed only with its file",
			Next:   "deploy the release that has the file, or resolve it manually, then run migrator repair --applied or --rolled-back",
		}
	}
	from := st.Version // the target of an out-of-order migration or of a rollback is not its own version
	if st.Version == r.Version {
		from = VersionBelow(c, r.Version)
	}
	if d == Down {
		from = r.Version
	}
	return Plan{From: from, To: st.Version, Steps: []Step{step}}, nil
}

func dirtyRefusal(st State, p Policy) error {
	return &Refusal{
		Reason: fmt.Sprintf("the database is marked dirty at version %s", VersionText(st.Version)),
		Why:    "a migration that does not run in one transaction, or one of another tool, was interrupted; it is unknown which of its statements were applied",
		Next: fmt.Sprintf("compare the schema with the file of version %s and complete it manually, then run: migrator repair --applied\n"+
			"or roll back its changes manually, then run: migrator repair --rolled-back\nthen deploy again (the version table is %s)", VersionText(st.Version), p.Table),
	}
}
