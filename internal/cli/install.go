package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/install"
)

func (a *app) install() *cobra.Command {
	return &cobra.Command{
		Use:   "install DIR",
		Short: "Copy this program into a directory",
		Long: `Copy the program, a static binary, to DIR/migrator. An init container installs it into a volume, so
that another, unchanged image can run "DIR/migrator exec -- COMMAND". The file is replaced
atomically.`,
		Example: `  migrator install /shiplock`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := install.Program(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.console.Stdout(), path)
			return err
		},
	}
}
