package cli

import (
	"context"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/outcome"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/status"
)

func (a *app) wait() *cobra.Command {
	var version uint
	cmd := &cobra.Command{
		Use:   "wait",
		Short: "Wait until the schema is up to date",
		Long: `Wait until all migrations in the migration files are applied and the version is not dirty, so that
an application started afterwards finds the schema it needs. wait runs no migration and takes no
lock. It requires only the SELECT privilege on the version table, and USAGE on its schema. It also
waits for a version table that does not exist yet, and for a database that does not accept
connections yet. A wrong password is an error.

Without --timeout, wait has no time limit. On a timeout the exit code is 124, or 3 if the database
was not reachable.`,
		Example: `  migrator wait                         # for the migrations in /migrations
  migrator wait --timeout 2m --source ./migrations
  migrator wait --version 42            # without migration files, for a service that does not own the schema`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("version") {
				return a.runWait(cmd, &version)
			}
			return a.runWait(cmd, nil)
		},
	}
	a.settings.FilesFlags(cmd.Flags())
	a.settings.ConnectionFlags(cmd.Flags())
	a.settings.NotifyFlags(cmd.Flags())
	cmd.Flags().UintVar(&version, "version", 0, "version to wait for, instead of the newest migration file")
	a.settings.OnNewerFlag(cmd.Flags(), "action when the database is ahead of the migration files: allow, fail, or down (wait until it is rolled back)")
	return cmd
}

// runWait waits for a version, or if want is nil for the newest migration file.
func (a *app) runWait(cmd *cobra.Command, want *uint) error {
	a.settings.WaitForDB = math.MaxInt64 // --timeout is the only limit
	return a.withOptions(cmd, func(ctx context.Context, o migrator.Options) error {
		start := time.Now()
		at, err := status.Wait(ctx, o, want)
		if err != nil {
			return err
		}
		a.summary = &outcome.Summary{Result: report.Result{To: at}, VersionsKnown: true, NonePending: want == nil}
		o.Log.Info("schema is up to date", "version", planner.VersionText(at), "waited", time.Since(start).Round(10*time.Millisecond))
		return nil
	})
}
