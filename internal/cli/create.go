package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/source"
)

func (a *app) create() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create the next pair of migration files",
		Long: `Create an up and a down file with the next version. This is the highest version in the directory
plus one, with the same number of digits. If the highest version is a timestamp, it is the current
UTC time.`,
		Example: `  migrator create add_guest_phone --source ./migrations`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			up, down, err := source.Create(a.settings.Source, strings.Join(args, " "), time.Now())
			if err != nil {
				return &config.UsageError{Problem: err.Error()}
			}
			_, err = fmt.Fprintf(a.console.Stdout(), "%s\n%s\n", up, down)
			return err
		},
	}
	a.settings.SourceFlag(cmd.Flags())
	return cmd
}
