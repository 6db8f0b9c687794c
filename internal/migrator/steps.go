package migrator

import (
	"io"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/source"
)

func postgresSteps(catalog *source.Catalog, p planner.Plan) ([]lint.Step, error) {
	steps := make([]lint.Step, len(p.Steps))
	for i, s := range p.Steps {
		opposite := s.Migration.Down
		if s.Direction == planner.Down {
			opposite = s.Migration.Up
		}
		text, err := catalog.Text(opposite, script.MaxStoredSQL)
		if err != nil {
			return nil, err
		}
		sum, ran := "", history.StoredMigration{}
		if s.Direction == planner.Down { // an up computes the checksum of the SQL it runs
			sum, err = catalog.Checksum(s.Migration.Version)
		} else {
			ran, err = storedMigration(catalog, s.Migration)
		}
		if err != nil {
			return nil, err
		}
		steps[i] = lint.Step{
			File: s.File(), Open: func() (io.ReadCloser, error) { return catalog.OpenFile(s.File()) },
			Name: s.Migration.Name, Direction: string(s.Direction), Version: s.Migration.Version, Target: s.Target,
			ReverseSQL: text, Checksum: sum, Stored: ran, Resume: s.Resume, From: p.From, StatementsApplied: s.StatementsApplied,
		}
	}
	return steps, nil
}

// storedMigration returns what the history table stores of an up beside its SQL. It also
// rejects invalid directives before anything runs.
func storedMigration(catalog *source.Catalog, m source.Migration) (history.StoredMigration, error) {
	directives, err := catalog.Directives(m.Version)
	if err != nil {
		return history.StoredMigration{}, err
	}
	size, err := catalog.Size(m.Down)
	return history.StoredMigration{HasDown: m.Down != "", DownSize: size, MinCompatibleVersion: directives.MinCompatibleVersion, Irreversible: directives.Irreversible}, err
}
