package cli

import (
	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
)

func (a *app) down() *cobra.Command {
	var to uint
	cmd := &cobra.Command{
		Use:   "down --to N",
		Short: "Undo every migration above a version",
		Long: `down runs the down files of every migration above version N, newest first; 0 undoes all.
Each runs in one transaction together with the new version. A migration without a down file is
refused before anything runs.`,
		Example: `  migrator down --to 41`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("to") {
				return &config.UsageError{Problem: "down needs --to N, the version to go back to (0 undoes everything)"}
			}
			ctx, cancel, o, err := a.options(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			r, err := engine.Down(ctx, o, to)
			if err != nil {
				return err
			}
			a.ended(r)
			o.Log.Info("the schema is back", "version", versionText(r.To), "was", versionText(r.From), "undone", r.Applied)
			return nil
		},
	}
	a.databaseFlags(cmd.Flags())
	a.lockFlags(cmd.Flags())
	a.notifyFlags(cmd.Flags())
	cmd.Flags().UintVar(&to, "to", 0, "version to go back to; it stays applied")
	return cmd
}
