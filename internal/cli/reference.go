package cli

import (
	"io"

	"github.com/spf13/cobra"
)

// NewCommand returns the command line as cobra's tree of commands, from which the reference is generated.
func NewCommand() *cobra.Command {
	return (&app{stdout: io.Discard, stderr: io.Discard}).command()
}

// EnvironmentVariables returns the variables that set a flag. The first that is not empty applies.
func EnvironmentVariables(flag string) []string {
	return envNames(flag)
}

// ExitCodes returns the list of exit codes that ends each command's help.
func ExitCodes() string {
	return exitCodes
}
