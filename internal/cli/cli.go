// Package cli is the command line of migrator: [Program.Run] runs one command and returns its exit code.
//
// Where things are:
//
//   - a command: a file of its own, such as up.go, with its flags; listed in root.go
//   - a flag of several commands, and its default: package settings
//   - an exit code: its number, meaning, and line of the help in package report (exitcode.go),
//     its errors in package failure
//
// A flag overrides its environment variable, which overrides the default (package flags).
// Output goes through package console. The subpackages know no command.
package cli

import (
	"context"
	"os"
	"time"

	"github.com/shiplock/shiplock/internal/cli/console"
	"github.com/shiplock/shiplock/internal/cli/redact"
	"github.com/shiplock/shiplock/internal/cli/settings"
)

// Run parses args, runs the command, and returns the exit code. It writes results to Stdout, and the
// log and the failure report to Stderr.
func (p Program) Run(ctx context.Context, args []string) int {
	redactor := redact.New(args)
	a := &app{settings: settings.Default(), program: p, redactor: redactor, started: time.Now(),
		console: console.New(p.Stdout, p.Stderr, os.Getenv, redactor.Redact)}
	defer a.console.Close()
	defer a.shutDownSidecar()
	root := a.command()
	root.SetArgs(append([]string{}, args...)) // cobra reads os.Args if the slice is nil
	cmd, err := root.ExecuteContextC(ctx)
	return a.finish(ctx, cmd, err)
}
