package cli

import (
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/report"
)

func (a *app) wait() *cobra.Command {
	var version uint
	cmd := &cobra.Command{
		Use:   "wait",
		Short: "Wait until the schema is where the files end; migrate nothing",
		Long: `wait ends once the database has every migration of the files and is not dirty: what starts
after it finds the schema it needs. It migrates nothing, takes no lock, and needs no right but SELECT
on the version table (and USAGE on its schema). A version table that does not exist yet, and a database
that cannot be reached yet, are waited for, too; a wrong password is not.

It waits for ever unless --timeout says otherwise; then it ends with 124, or with 3 if the database
could not be reached.`,
		Example: `  migrator wait                         # for what is in /migrations
  migrator wait --timeout 2m --source ./migrations
  migrator wait --version 42            # without files: for a service that does not own the schema`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.settings.WaitForDB = math.MaxInt64 // here --timeout is the limit
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
				a.summary = &summary{Result: report.Result{To: at}, numbers: true, pending: want == nil}
				o.Log.Info("the schema is there", "version", versionText(at), "waited", time.Since(start).Round(10*time.Millisecond))
			}
			return err
		},
	}
	a.filesFlags(cmd.Flags())
	a.connectionFlags(cmd.Flags())
	a.notifyFlags(cmd.Flags())
	cmd.Flags().UintVar(&version, "version", 0, "wait for this version, whatever the files are")
	cmd.Flags().StringVar(&a.settings.OnNewer, "on-newer", string(plan.AllowNewer),
		"what to do when the database is newer than the files: allow, fail, or down to wait until it is not ($SHIPLOCK_ON_NEWER)")
	return cmd
}
