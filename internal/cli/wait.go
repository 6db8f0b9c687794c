package cli

import (
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/report"
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
			a.settings.WaitForDB = math.MaxInt64 // --timeout is the only limit
			ctx, cancel, o, err := a.options(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			var want *uint
			if cmd.Flags().Changed("version") {
				want = &version
			}
			start := time.Now()
			at, err := engine.Wait(ctx, o, want)
			if err == nil {
				a.summary = &summary{Result: report.Result{To: at}, versionsKnown: true, nonePending: want == nil}
				o.Log.Info("schema is up to date", "version", planner.VersionText(at), "waited", time.Since(start).Round(10*time.Millisecond))
			}
			return err
		},
	}
	a.filesFlags(cmd.Flags())
	a.connectionFlags(cmd.Flags())
	a.notifyFlags(cmd.Flags())
	cmd.Flags().UintVar(&version, "version", 0, "version to wait for, instead of the newest migration file")
	cmd.Flags().StringVar(&a.settings.OnNewer, "on-newer", string(planner.AllowNewer),
		"action when the database is ahead of the migration files: allow, fail, or down (wait until it is rolled back) ($SHIPLOCK_ON_NEWER)")
	return cmd
}
