// Package migrator implements the commands that migrate and repair (up, down, plan, repair): a function
// for each, with [Options], such as [Up], which returns a [Result] or a [RunError]. cli, rehearsal, and
// status call it, and report explains its errors.
package migrator

import (
	"context"

	"github.com/shiplock/shiplock/internal/planner"
)

// Up applies every migration above the database's version. Errors are those of the
// packages it uses (*source.NameError, source.ErrNoMigrations, *planner.Refusal, *Refusal,
// *postgres.ConnectError, *postgres.LockedError) or a *RunError.
func Up(ctx context.Context, o Options) (Result, error) {
	o.forUp = true
	return Run(ctx, o, planner.ForUp)
}
