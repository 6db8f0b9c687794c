package migrator

import (
	"strings"

	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/lint/compatibility"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// warnOfIncompatibleChanges logs the changes that break an older version of the
// application, except for migrations that state their minimum compatible version. An empty
// database has no older version of the application.
func warnOfIncompatibleChanges(o Options, p planner.Plan, steps []lint.Step) error {
	if p.From == planner.NoVersion {
		return nil
	}
	files := make([]compatibility.File, len(steps))
	for i, s := range steps {
		files[i] = compatibility.File{Name: s.File, Open: s.Open, Direction: s.Direction, MinCompatibleVersion: s.Stored.MinCompatibleVersion}
	}
	changes, err := compatibility.Changes(files)
	for i := 0; i < len(changes); {
		first := changes[i]
		var texts []string
		for ; i < len(changes) && changes[i].File == first.File; i++ {
			texts = append(texts, changes[i].Text)
		}
		o.Log.Warn("change may break older versions of the application", "file", steps[first.File].File, "line", first.Line,
			"changes", strings.Join(texts, "; "), "add_at_top", "-- "+sqlfile.MinCompatibleVersion+" N")
	}
	return err
}
