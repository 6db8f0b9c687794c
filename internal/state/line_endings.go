package state

import (
	"context"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// maxStoredSQLReads is the maximum number of migrations whose stored SQL is read to detect
// mixed line endings. With another application's files, all migrations would be edited.
const maxStoredSQLReads = 20

// lineEndingChanges returns those of the edited migrations whose files differ from the SQL
// that ran only in line endings, with the line endings of the SQL that ran.
func lineEndingChanges(ctx context.Context, catalog *source.Catalog, db *database.Database, edited []history.Entry) (map[uint]sqlfile.LineEndings, error) {
	out := map[uint]sqlfile.LineEndings{}
	var rest []history.Entry
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
	texts, err := db.Store.StoredSQL(ctx, rest)
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
