package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

// withHistory is the catalog of the files and of what the journal has of the migrations
// that are in effect, or whose down has stopped part-way. imported are those that
// another tool has run since.
func withHistory(files *source.Catalog, st plan.State, journal, imported []postgres.Run, p plan.Policy) (*source.Catalog, error) {
	applied, importedVersions := map[int]bool{}, map[int]bool{}
	for _, r := range st.Runs {
		applied[r.Version] = r.IsApplied()
	}
	for _, r := range imported {
		importedVersions[r.Version] = true
	}
	var recorded []source.RecordedMigration
	for _, r := range journal {
		if !applied[r.Version] && !r.IncompleteDown() {
			continue
		}
		if importedVersions[r.Version] {
			r.Stored, r.Outcome = postgres.StoredMigration{DownSize: postgres.SizeUnknown}, postgres.RunImported
		}
		m, err := recordedMigration(files, st, r, p)
		if err != nil {
			return nil, err
		}
		recorded = append(recorded, m)
	}
	return files.WithHistory(recorded), nil
}

func recordedMigration(files *source.Catalog, st plan.State, r postgres.Run, p plan.Policy) (source.RecordedMigration, error) {
	v := uint(r.Version)
	m := source.RecordedMigration{
		Version: v, Name: r.Name, Checksum: r.Checksum, HasUp: r.Stored.HasUp, HasDown: r.Stored.HasDown || r.IncompleteDown(),
		Irreversible: r.Stored.Irreversible,
	}
	m.NoDown = missingDownReason(r)
	file, here := files.Find(v)
	if !here {
		return m, nil
	}
	sum, err := files.Checksum(v)
	if err != nil {
		return m, err
	}
	m.Differs = sum != "" && r.Checksum != "" && sum != r.Checksum && p.OnEdited != plan.AllowEdited
	if m.Differs && !m.HasDown {
		how := "it was edited since"
		if _, same := st.LineEndings[v]; same {
			how = "its line endings differ"
		}
		m.NoDown = fmt.Sprintf("%s is not what ran (%s), and of what ran %s", file.Up, how, m.NoDown)
	}
	if !m.Differs && r.Stored.DownSize == postgres.SizeUnknown { // the journal does not say
		directives, err := files.Directives(v)
		if err != nil {
			return m, err
		}
		m.Irreversible = directives.Irreversible
	}
	return m, nil
}

// missingDownReason completes "cannot be undone from here:".
func missingDownReason(r postgres.Run) string {
	switch {
	case r.Outcome == postgres.RunImported:
		return "another tool applied it, so the journal does not hold its SQL"
	case !r.Stored.HasUp && (r.Outcome == postgres.RunBaselined || r.Outcome == postgres.RunBaselinedUnverified):
		return "it was stated by migrator baseline, so the history does not hold its SQL"
	case r.Stored.DownSize > postgres.MaxStoredSQL:
		return fmt.Sprintf("its down file has %.1f MB, and the journal keeps no more than %d MB", float64(r.Stored.DownSize)/(1<<20), postgres.MaxStoredSQL>>20)
	case r.Stored.DownSize > 0:
		return "its down holds a password, or characters that the database's encoding cannot hold, so the journal does not keep it"
	case r.Stored.DownSize == postgres.NoFile && r.Stored.HasUp:
		return "it had no down file when it was applied"
	}
	return "the journal does not hold the SQL of its down: there was none, or it was above 1 MB"
}

// loadStoredSQL gives a plan's steps the SQL that only the journal has.
func loadStoredSQL(ctx context.Context, catalog *source.Catalog, db *postgres.DB, p plan.Plan, journal []postgres.Run) error {
	var runs []postgres.Run
	for _, s := range p.Steps {
		if !strings.HasPrefix(s.Migration.Up, source.FromHistory) && !strings.HasPrefix(s.Migration.Down, source.FromHistory) {
			continue
		}
		if i := slices.IndexFunc(journal, func(r postgres.Run) bool { return r.Version == int(s.Migration.Version) }); i >= 0 {
			runs = append(runs, journal[i])
		}
	}
	sql, err := db.StoredSQL(ctx, runs)
	for version, text := range sql {
		catalog.SetRecordedSQL(uint(version), text.Up, text.Down)
	}
	return err
}
