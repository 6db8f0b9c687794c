package exectool

import (
	"context"
	"fmt"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// A NewerError reports a database that a newer version of the tool's image or files has migrated. The
// tool was not started.
type NewerError struct {
	Version string
	Newer   toolrun.NewerRun
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("version %s has already migrated the database, which is newer than version %s", e.Newer.Version, e.Version)
}

// checkNewer finds the run of a newer version, and returns a NewerError if the policy refuses it.
func (r *toolRun) checkNewer(ctx context.Context, db *database.Database) (err error) {
	if r.tool.Version == "" {
		return nil
	}
	r.newer, err = db.Tools.FindNewerRun(ctx, r.tool.Version)
	if r.newer != nil && r.tool.OnNewer == planner.FailNewer {
		return &NewerError{Version: r.tool.Version, Newer: *r.newer}
	}
	return err
}
