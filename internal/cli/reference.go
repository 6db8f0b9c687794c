package cli

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/console"
	"github.com/shiplock/shiplock/internal/cli/settings"
)

// NewCommand returns the command line as cobra's tree of commands, from which the reference is generated.
func NewCommand() *cobra.Command {
	unchanged := func(s string) string { return s }
	return (&app{settings: settings.Default(), console: console.New(io.Discard, io.Discard, os.Getenv, unchanged)}).command()
}
