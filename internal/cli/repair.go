package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/cli/outcome"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/migrator"
)

func (a *app) repair() *cobra.Command {
	resolutions := map[migrator.Resolution]*bool{}
	var applied flags.OptionalNumber
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Resolve a partially applied migration",
		Long: `Record in the history table how a partially applied migration was resolved, so that up can continue.
Only a migration that runs statement by statement can be partially applied; a transactional
migration never needs repair. If a statement failed, correct it in the file and deploy again: up then
resumes with that statement, without repair. repair runs no statement of the migration.`,
		Example: `  migrator repair --statement-applied       # the interrupted statement took effect; up resumes after it
  migrator repair --statement-applied=3     # skip statement 3, which failed; up resumes with statement 4
  migrator repair --statement-not-applied   # the interrupted statement did not take effect; up runs it again
  migrator repair --applied                 # the migration was completed manually
  migrator repair --rolled-back             # the migration was rolled back manually`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var chosen []migrator.Resolution
			if applied.Given {
				chosen = append(chosen, migrator.StatementApplied)
			}
			for v, set := range resolutions {
				if *set {
					chosen = append(chosen, v)
				}
			}
			if len(chosen) != 1 {
				return &config.UsageError{Problem: "repair requires exactly one of --statement-applied, --statement-not-applied, --applied, --rolled-back (run migrator repair --help for usage)"}
			}
			return a.runRepair(cmd, chosen[0], applied.Number)
		},
	}
	a.settings.DatabaseFlags(cmd.Flags())
	a.settings.LockFlags(cmd.Flags())
	a.settings.NotifyFlags(cmd.Flags())
	for v, usage := range map[migrator.Resolution]string{
		migrator.StatementNotApplied: "record that the interrupted statement did not take effect",
		migrator.MigrationApplied:    "record that the migration was completed manually",
		migrator.MigrationRolledBack: "record that the migration was rolled back manually",
	} {
		resolutions[v] = cmd.Flags().Bool(string(v), false, usage)
	}
	applied.AddTo(cmd.Flags(), string(migrator.StatementApplied), "record that the interrupted statement took effect, or skip the failed statement with this number")
	return cmd
}

// runRepair records a resolution. statement is the number of --statement-applied, or 0.
func (a *app) runRepair(cmd *cobra.Command, resolution migrator.Resolution, statement int) error {
	return a.withOptions(cmd, func(ctx context.Context, o migrator.Options) error {
		result, err := migrator.Repair(ctx, o, resolution, statement)
		if err != nil {
			return err
		}
		a.summary = &outcome.Summary{Title: "repaired: " + result, Changed: true}
		o.Log.Info("migration repaired", "result", result)
		return nil
	})
}
