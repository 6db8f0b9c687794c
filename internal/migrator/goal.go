package migrator

import (
	"context"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
)

// A PlanFunc makes a plan from the migrations, the state of the database and the policy.
type PlanFunc func(*source.Catalog, planner.State, planner.Policy) (planner.Plan, error)

// A goal is what a run is to achieve.
type goal struct {
	plan PlanFunc
	// allFiles is set if all migrations of the files are to be applied, and no others.
	allFiles bool
}

// isReached reports whether the newest history row shows that the goal is reached, and returns the
// version of the database.
func (g goal) isReached(ctx context.Context, files *source.Catalog, db *database.Database) (bool, history.State, error) {
	version, digest, err := db.Store.Head(ctx)
	return err == nil && g.allFiles && isUpToDate(files, version, digest), version, err
}

// downTo returns a function that plans a rollback; see Down.
func downTo(to uint) PlanFunc {
	return func(c *source.Catalog, st planner.State, p planner.Policy) (planner.Plan, error) {
		target := int(to)
		if _, exists := c.Find(0); to == 0 && !exists {
			target = planner.NoVersion
		}
		return planner.ForDown(c, st, target, p)
	}
}

// Most runs have nothing to do. To find that out they would have to read every history
// row and compute the checksum of every applied file. So a run after which nothing is
// pending or edited also records a digest of its files. A later run with the same files
// whose digest is in the newest history row is done. With different files, even if only
// a comment differs, everything is compared. See ADR 9.

// isUpToDate reports whether a database in this state has all migrations of the catalog,
// unchanged. clean is the digest in the newest history row.
func isUpToDate(catalog *source.Catalog, at history.State, clean string) bool {
	if clean == "" || at.Dirty || at.Version != int(catalog.Latest()) {
		return false
	}
	digest, err := catalog.InitialDigest() // if a file is unreadable, everything is compared
	return err == nil && digest == clean
}

// recordsDigest reports whether nothing is pending and nothing is edited after a plan. A
// plan that first resumes a partially applied migration does not look for out-of-order
// migrations, and with edited files allowed there may be some.
func recordsDigest(o Options, g goal, catalog *source.Catalog, p planner.Plan) bool {
	return g.allFiles && o.Policy.OnEdited != planner.AllowEdited && p.To == int(catalog.Latest()) &&
		(len(p.Steps) == 0 || !p.Steps[0].Resume && p.Steps[len(p.Steps)-1].Direction == source.Up)
}

// stableDigest takes the digest of the files and returns a function that takes it again.
// The files may change while they run (a ConfigMap volume does); then neither digest is
// that of the migrations that ran, and the function returns "".
func stableDigest(catalog *source.Catalog) func() string {
	before, err := catalog.InitialDigest()
	return func() string {
		now, errNow := catalog.Digest()
		if err != nil || errNow != nil || now != before {
			return ""
		}
		return now
	}
}
