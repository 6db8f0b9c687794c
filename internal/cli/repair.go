package cli

import (
	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
)

func (a *app) repair() *cobra.Command {
	verdicts := map[engine.Verdict]*bool{}
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Say what is in effect of a migration that stopped part-way",
		Long: `repair tells the journal what you have found out, or done by hand, about a migration that does
not run in one transaction and stopped part-way. It runs nothing of the migration. A transactional
migration never needs it.`,
		Example: `  migrator repair --statement-done     # the statement in doubt is in effect; up goes on after it
  migrator repair --statement-undone   # it is not; up runs it again
  migrator repair --applied            # the whole migration has been finished by hand
  migrator repair --reverted           # all that it did has been undone by hand`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var chosen []engine.Verdict
			for v, set := range verdicts {
				if *set {
					chosen = append(chosen, v)
				}
			}
			if len(chosen) != 1 {
				return &config.UsageError{Problem: "repair needs one of --statement-done, --statement-undone, --applied, --reverted (migrator repair --help)"}
			}
			ctx, cancel, o, err := a.options(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			did, err := engine.Repair(ctx, o, chosen[0])
			if err == nil {
				a.ending = &ending{title: "repaired: " + did, changed: true}
				o.Log.Info("repaired", "now", did)
			}
			return err
		},
	}
	a.databaseFlags(cmd.Flags())
	a.lockFlags(cmd.Flags())
	a.notifyFlags(cmd.Flags())
	for v, usage := range map[engine.Verdict]string{
		engine.StatementDone:   "the statement in doubt is in effect",
		engine.StatementUndone: "the statement in doubt is not in effect",
		engine.MigrationDone:   "the migration has been finished by hand",
		engine.MigrationUndone: "what the migration did has been undone by hand",
	} {
		verdicts[v] = cmd.Flags().Bool(string(v), false, usage)
	}
	return cmd
}
