package engine

import (
	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

// What most runs find is that nothing is pending. To say so they would read every
// row of the journal and make the checksum of every applied file. So a run that
// leaves nothing pending, and nothing edited, leaves a digest of its files, too;
// who comes with the same files, and finds that row to be the newest, is done. With
// other files, be it a comment, all is compared as ever. See ADR 9.

// isUpToDate reports whether a database in this state has all of the catalog, as it is
// here; clean is the digest that the journal's newest row holds.
func isUpToDate(catalog *source.Catalog, at postgres.State, clean string) bool {
	if clean == "" || at.Dirty || at.Version != int(catalog.Latest()) {
		return false
	}
	digest, err := catalog.InitialDigest() // whether an unreadable file matters is found out the long way
	return err == nil && digest == clean
}

// recordsDigest says whether nothing is pending and nothing edited after a plan. One
// that first finishes what had stopped does not look for what was merged late, and
// where edited files are let pass there may be one.
func (o Options) recordsDigest(catalog *source.Catalog, p plan.Plan) bool {
	return o.forUp && o.Policy.OnEdited != plan.AllowEdited && p.To == int(catalog.Latest()) &&
		(len(p.Steps) == 0 || !p.Steps[0].Resume && p.Steps[len(p.Steps)-1].Direction == plan.Up)
}

// stableDigest has the digest that a run has begun with, and takes another when it is
// asked: what is in the files may have changed while they ran (a ConfigMap's volume does), and then
// neither digest is of what has run.
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
