package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/output"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/status"
)

func (a *app) history() *cobra.Command {
	var format output.Format
	var version uint
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show the history of all runs",
		Long: `List all runs in the history table, up and down, in chronological order: the user and release that
ran the migration, the outcome, and the run that a rollback rolled back. history requires no
migration files, and only the SELECT privilege on the history table. The table,
schema_migrations_history, also contains the SQL that ran, in the columns up_sql and down_sql.`,
		Example: `  migrator history
  migrator history --version 9
  migrator history -o json | jq '.runs[] | select(.direction == "down")'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var only *uint
			if cmd.Flags().Changed("version") {
				only = &version
			}
			read := func(ctx context.Context, o migrator.Options) (status.History, error) {
				return status.ReadHistory(ctx, o, only)
			}
			return show(a, cmd, format, read, func(w io.Writer, h status.History) error { return output.History(w, h, only) })
		},
	}
	a.settings.ConnectionFlags(cmd.Flags())
	a.settings.WaitForDBFlags(cmd.Flags())
	cmd.Flags().UintVar(&version, "version", 0, "show only the runs of this version")
	outputFlag(cmd.Flags(), &format)
	return cmd
}
