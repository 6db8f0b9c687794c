package migrator

import (
	"context"
	"io"
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
	st, entries, err := readRuns(ctx, files, db, version)
	if err != nil {
		return decision{}, err
	}
	imports, err := unrecordedRuns(files, &st)
	if err != nil {
		return decision{}, err
	}
	catalog := files
	if !o.forUp || o.Policy.OnNewer == planner.DownNewer { // otherwise the plan is made from the files alone
		if catalog, err = WithHistory(files, st, entries, imports, o.Policy); err != nil {
			return decision{}, err
		}
	}
	policy := o.Policy
	policy.Table = db.Store.Table.String()
	p, err := plan(catalog, st, policy)
	if n := len(imports); err == nil && n > 0 && len(p.Steps) == 0 && o.recordsDigest(files, p) {
		imports[n-1].FilesDigest, _ = files.Digest() // an unreadable file does not prevent the import
	}
	if err == nil {
		catalog, err = withStoredSQL(ctx, catalog, db, p, entries)
	}
	if err == nil && len(p.Steps) > 0 && p.Steps[0].Resume {
		p.Steps[0].StatementsApplied, err = resumePoint(ctx, catalog, db, p.Steps[0], entries)
	}
	return decision{plan: p, catalog: catalog, imports: imports}, err
}

// ContainsVersion returns a function that reports whether the files have a version.
func ContainsVersion(files *source.Catalog) func(uint) bool {
	return func(version uint) bool {
		_, there := files.Find(version)
		return there
	}
}

// unrecordedRuns returns another tool's migrations that are to be recorded, and adds them to st.
func unrecordedRuns(catalog *source.Catalog, st *planner.State) ([]history.Entry, error) {
	adopt := planner.Unrecorded(catalog, *st)
	out, versions := make([]history.Entry, len(adopt)), make(map[int]bool, len(adopt))
	for i, r := range adopt {
		sum, err := catalog.Checksum(uint(r.Version))
		if err != nil {
			return nil, err
		}
		out[i] = history.Entry{Version: r.Version, Name: r.Name, Direction: string(r.Direction), Checksum: sum}
		if r.Direction == planner.Up {
			directives, err := catalog.Directives(uint(r.Version))
			if err != nil {
				return nil, err
			}
			adopt[i].MinCompatibleVersion = directives.MinCompatibleVersion
			out[i].Stored = history.StoredMigration{MinCompatibleVersion: directives.MinCompatibleVersion, Irreversible: directives.Irreversible}
		}
		versions[r.Version] = true
	}
	st.Runs = append(slices.DeleteFunc(st.Runs, func(old planner.Run) bool { return versions[old.Version] }), adopt...)
	return out, nil
}

// resumePoint returns the number of statements of a partially applied migration that are applied.
func resumePoint(ctx context.Context, catalog *source.Catalog, db *database.Database, s planner.Step, entries []history.Entry) (int, error) {
	i := slices.IndexFunc(entries, func(r history.Entry) bool { return r.Version == int(s.Migration.Version) })
	return db.Resumer.ResumePoint(ctx, s.File(), func() (io.ReadCloser, error) { return catalog.OpenFile(s.File()) }, entries[i])
}
