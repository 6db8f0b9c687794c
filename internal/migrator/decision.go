package migrator

import (
	"context"
	"slices"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
)

// A PlanFunc makes a plan from the migrations, the state of the database and the policy.
type PlanFunc func(*source.Catalog, planner.State, planner.Policy) (planner.Plan, error)

// A decision is a plan and what it was made from.
type decision struct {
	plan    planner.Plan
	catalog *source.Catalog // has the SQL of the plan's steps, including SQL from the history table if needed
	imports []history.Entry // another tool's migrations, to be recorded in the history table
	applied int             // number of applied statements of a first step that resumes
}

// makePlan reads the state of the database and makes a plan.
func makePlan(ctx context.Context, o Options, files *source.Catalog, db *database.Database, plan PlanFunc) (decision, error) {
	version, clean, err := db.Store.Head(ctx)
	if err == nil {
		err = db.Store.CheckOtherSchemas(ctx, ContainsVersion(files))
	}
	if err != nil {
		return decision{}, err
	}
	if o.forUp && isUpToDate(files, version, clean) {
		return decision{plan: planner.Plan{From: version.Version, To: version.Version}, catalog: files}, nil
	}
	st, err := readRuns(ctx, files, db, version)
	if err != nil {
		return decision{}, err
	}
	imports, err := unrecordedRuns(files, st)
	if err != nil {
		return decision{}, err
	}
	catalog := files
	if !o.forUp || o.Policy.OnNewer == planner.DownNewer { // otherwise the plan is made from the files alone
		if catalog, err = WithHistory(files, st, imports, o.Policy); err != nil {
			return decision{}, err
		}
	}
	d := decision{imports: imports}
	d.plan, err = plan(catalog, withImports(st, imports), o.Policy)
	p := d.plan
	if n := len(imports); err == nil && n > 0 && len(p.Steps) == 0 && o.recordsDigest(files, p) {
		imports[n-1].FilesDigest, _ = files.Digest() // an unreadable file does not prevent the import
	}
	if err == nil {
		d.catalog, err = withStoredSQL(ctx, catalog, db, st, p)
	}
	if err == nil && len(p.Steps) > 0 && p.Steps[0].Resume {
		file := p.Steps[0].File()
		d.applied, err = db.Resumer.ResumePoint(ctx, file, d.catalog.Opener(file), *st.Entry(p.Steps[0].Migration.Version))
	}
	return d, err
}

// ContainsVersion returns a function that reports whether the files have a version.
func ContainsVersion(files *source.Catalog) func(uint) bool {
	return func(version uint) bool {
		_, there := files.Find(version)
		return there
	}
}

// unrecordedRuns returns the history rows of another tool's migrations that are to be recorded.
func unrecordedRuns(catalog *source.Catalog, st planner.State) ([]history.Entry, error) {
	out := planner.Unrecorded(catalog, st)
	for i := range out {
		e := &out[i]
		var err error
		if e.Checksum, err = catalog.Checksum(uint(e.Version)); err != nil {
			return nil, err
		}
		if e.Direction == source.Up {
			directives, err := catalog.Directives(uint(e.Version))
			if err != nil {
				return nil, err
			}
			e.Stored = history.StoredMigration{MinCompatibleVersion: directives.MinCompatibleVersion, Irreversible: directives.Irreversible}
		}
	}
	return out, nil
}

// withImports returns the state in which the runs of another tool are recorded.
func withImports(st planner.State, imports []history.Entry) planner.State {
	kept := slices.DeleteFunc(slices.Clone(st.Entries), func(old history.Entry) bool {
		return slices.ContainsFunc(imports, func(e history.Entry) bool { return e.Version == old.Version })
	})
	st.Entries = append(kept, imports...)
	return st
}
