package engine

import (
	"context"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

// Preview is what Up would do now.
type Preview struct {
	Database string        `json:"database"` // user@host:port/name
	From     *uint         `json:"from"`     // null before the first migration
	To       *uint         `json:"to"`
	Newer    bool          `json:"newer"` // the database is ahead of the files, and nothing would be done
	Steps    []PreviewStep `json:"steps"`
}

// PreviewStep is one file that would run.
type PreviewStep struct {
	Version    uint   `json:"version"`
	File       string `json:"file"`
	Statements int    `json:"statements"`
	// Transactional is false for a file that runs statement by statement.
	Transactional bool `json:"transactional"`
	// Done statements are in effect already: the file stopped part-way.
	Done int `json:"done"`
}

// Plan says what Up would do, and refuses what Up would refuse. It changes nothing
// and takes no lock, so another migrator may be faster.
func Plan(ctx context.Context, o Options) (Preview, error) {
	o.forUp = true
	catalog, err := open(o)
	if err != nil {
		return Preview{}, err
	}
	db, err := postgres.Open(ctx, o.Postgres)
	if err != nil {
		return Preview{}, err
	}
	defer closeQuietly(o, db)
	p, _, err := decide(ctx, o, catalog, db, plan.ForUp)
	if err != nil {
		return Preview{}, err
	}
	out := Preview{Database: db.Target(), From: number(p.From), To: number(p.To), Newer: p.Newer, Steps: []PreviewStep{}}
	return out, look(o, catalog, db, p, &out)
}

// look reads every file of the plan, as Up would just before it runs it.
func look(o Options, catalog *source.Catalog, db *postgres.DB, p plan.Plan, out *Preview) error {
	steps, err := stepsOf(catalog, p)
	if err != nil {
		return err
	}
	if err := admit(db, steps, o.Atomicity == PerRelease); err != nil {
		return err
	}
	for i, s := range steps {
		statements, transactional, err := s.Look()
		if err != nil {
			return err
		}
		out.Steps = append(out.Steps, PreviewStep{Version: p.Steps[i].Migration.Version, File: s.File,
			Statements: statements, Transactional: transactional, Done: s.Done})
	}
	return nil
}

func number(v int) *uint {
	if v == plan.NoVersion {
		return nil
	}
	n := uint(v)
	return &n
}
