package cli

import (
	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/output"
	"github.com/shiplock/shiplock/internal/migrator"
)

func (a *app) plan() *cobra.Command {
	var format output.Format
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show the migrations that up would run",
		Long: `Compare the migration files with the database and print the migrations that up would run, and how.
plan fails with the same exit code if up would refuse to run, so that a pipeline can check before it
deploys. plan changes nothing and takes no lock. It does not run the SQL, so a migration can still
fail.`,
		Example: `  migrator plan
  migrator plan -o json | jq '.steps | length'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return show(a, cmd, format, migrator.Plan, output.Plan)
		},
	}
	a.settings.DatabaseFlags(cmd.Flags())
	a.settings.PolicyFlags(cmd.Flags())
	outputFlag(cmd.Flags(), &format)
	return cmd
}
