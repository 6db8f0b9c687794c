package cli

import (
	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/output"
	"github.com/shiplock/shiplock/internal/status"
)

func (a *app) status() *cobra.Command {
	var format output.Format
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the database version and pending migrations",
		Long: `Compare the database with the migration files and list applied and pending migrations. status
changes nothing and takes no lock.`,
		Example: `  migrator status
  migrator status -o json | jq '.pending | length'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return show(a, cmd, format, status.ReadStatus, output.Status)
		},
	}
	a.settings.DatabaseFlags(cmd.Flags())
	outputFlag(cmd.Flags(), &format)
	return cmd
}
