package migrator

import (
	"context"
	"strings"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lint/compatibility"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// checkRequirements checks all files before the first one runs.
func checkRequirements(db *database.Database, migrations []executor.Migration, together bool) error {
	if !db.Session.Shared && !together {
		return nil
	}
	for _, m := range migrations {
		if err := executor.CheckRequirements(m, together); err != nil {
			return err
		}
	}
	return nil
}

// verifyVersion compares the database's version with the version the plan ends with.
// Behind a pooler the lock is released at each commit, so a newer image may already be
// running; there every commit was confirmed, and its version checked beforehand.
func verifyVersion(ctx context.Context, db *database.Database, p planner.Plan) error {
	if db.Session.Shared {
		return nil
	}
	st, err := db.Store.State(ctx)
	if err != nil {
		return err
	}
	if want := (history.State{Version: p.To}); st != want {
		return &IncompleteError{Want: p.To, Got: st.Version, Dirty: st.Dirty}
	}
	return nil
}

// warnOfIncompatibleChanges logs the changes that break an older version of the
// application, except for migrations that state their minimum compatible version. An empty
// database has no older version of the application.
func warnOfIncompatibleChanges(o Options, p planner.Plan, migrations []executor.Migration) error {
	if p.From == planner.NoVersion {
		return nil
	}
	files := make([]compatibility.File, len(migrations))
	for i, m := range migrations {
		files[i] = compatibility.File{Name: m.File, Open: m.Open, Direction: m.Entry.Direction, MinCompatibleVersion: m.Entry.Stored.MinCompatibleVersion}
	}
	changes, err := compatibility.Changes(files)
	for i := 0; i < len(changes); {
		first := changes[i]
		var texts []string
		for ; i < len(changes) && changes[i].File == first.File; i++ {
			texts = append(texts, changes[i].Text)
		}
		o.Log.Warn("change may break older versions of the application", "file", migrations[first.File].File, "line", first.Line,
			"changes", strings.Join(texts, "; "), "add_at_top", "-- "+sqlfile.MinCompatibleVersion+" N")
	}
	return err
}
