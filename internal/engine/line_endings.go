package engine

import (
	"context"

	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// maxStoredSQLReads is how many migrations' SQL is read to find that their files mixed line
// endings: of another application's files all are edited.
const maxStoredSQLReads = 20

// lineEndingChanges finds, among migrations whose files are not what has run, those that
// differ from it in line endings alone, and how their lines ended.
func lineEndingChanges(ctx context.Context, catalog *source.Catalog, db *postgres.DB, edited []postgres.Run) (map[uint]sqlfile.LineEndings, error) {
	out := map[uint]sqlfile.LineEndings{}
	var rest []postgres.Run
	for _, r := range edited {
		endings, same, err := catalog.MatchLineEndings(uint(r.Version), r.Checksum, "")
		if err != nil {
			return nil, err
		}
		if same {
			out[uint(r.Version)] = endings
		} else if r.Stored.HasUp && len(rest) < maxStoredSQLReads {
			rest = append(rest, r)
		}
	}
	texts, err := db.StoredSQL(ctx, rest)
	if err != nil {
		return nil, err
	}
	for _, r := range rest {
		endings, same, err := catalog.MatchLineEndings(uint(r.Version), r.Checksum, texts[r.Version].Up)
		if err != nil {
			return nil, err
		}
		if same {
			out[uint(r.Version)] = endings
		}
	}
	return out, nil
}
