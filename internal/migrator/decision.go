package migrator

import (
	"context"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/state"
)

// A decision is a plan and what is needed to run it.
type decision struct {
	plan              planner.Plan
	catalog           *source.Catalog // has the SQL of the plan's steps, including SQL from the history table if needed
	imports           []history.Entry // another tool's migrations, to be recorded in the history table
	statementsApplied int             // number of applied statements of a first step that resumes
}

// makePlan reads the state of the database, plans, and reads what the plan needs from the history
// table.
func makePlan(ctx context.Context, o Options, g goal, files *source.Catalog, db *database.Database) (decision, error) {
	reached, version, err := g.isReached(ctx, files, db)
	if err == nil {
		err = db.Store.CheckOtherSchemas(ctx, state.ContainsVersion(files))
	}
	if err != nil {
		return decision{}, err
	}
	if reached {
		return decision{plan: planner.Plan{From: version.Version, To: version.Version}, catalog: files}, nil
	}
	st, err := state.ReadAt(ctx, files, db, version)
	if err != nil {
		return decision{}, err
	}
	d := decision{catalog: files}
	if d.imports, err = state.Unrecorded(files, st); err != nil {
		return decision{}, err
	}
	if !g.allFiles || o.Policy.OnNewer == planner.DownNewer { // otherwise the plan is made from the files alone
		if d.catalog, err = state.WithHistory(files, st, d.imports, o.Policy); err != nil {
			return decision{}, err
		}
	}
	if d.plan, err = g.plan(d.catalog, state.WithImports(st, d.imports), o.Policy); err != nil {
		return d, err
	}
	if d.catalog, err = state.WithStoredSQL(ctx, d.catalog, db, st, d.plan); err != nil || len(d.plan.Steps) == 0 || !d.plan.Steps[0].Resume {
		return d, err
	}
	first := d.plan.Steps[0]
	d.statementsApplied, err = db.Resumer.ResumePoint(ctx, first.File(), d.catalog.Opener(first.File()), *st.Entry(first.Migration.Version))
	return d, err
}
