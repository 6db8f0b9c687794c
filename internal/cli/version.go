package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version and Commit are set by the build (-ldflags -X).
var (
	Version = ""
	Commit  = ""
)

// version returns Version, or the module version that the go command recorded.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && Version == "" {
		return info.Main.Version
	}
	return Version
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		RunE: func(*cobra.Command, []string) error {
			commit := Commit
			if commit == "" {
				commit = "unknown"
			}
			_, err := fmt.Fprintf(a.console.Stdout(), "migrator %s (commit %s, %s, %s/%s)\n", version(), commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
