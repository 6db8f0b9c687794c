package exectool

import (
	"context"
	"fmt"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/subprocess"
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

// allowsFailure reports whether the tool has failed only because the database is newer than its
// files: it exited by itself and changed nothing, and a newer version has migrated the database. Many
// tools refuse a version in their table that they have no file for.
func (r *toolRun) allowsFailure(exit subprocess.Exit, out toolOutcome) bool {
	return r.newer != nil && exit.StopCause == nil && exit.Signal == 0 && exit.Code > 0 && !isSignalCode(exit.Code) &&
		out.known && len(out.changes) == 0 && len(out.marks) == 0 && !out.leftovers.any()
}

// isSignalCode reports whether a shell returns the exit code for a command that a signal has ended. Alembic
// exits with 255 by itself.
func isSignalCode(code int) bool { return code > 128 && code <= 128+64 }
