// Package cli is the command line of migrator: Run runs one command and returns its exit code.
//
// Where things are:
//
//   - a command: a file of its own, such as up.go, with its flags; listed in root.go
//   - a flag of several commands, and its default: package settings
//   - an exit code: its number, meaning, and line of the help in package report (exitcode.go),
//     its errors in report.Diagnose
//
// A flag overrides its environment variable, which overrides the default (package flags).
// Output goes through package console. The subpackages know no command.
package cli

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/shiplock/shiplock/internal/cli/console"
	"github.com/shiplock/shiplock/internal/cli/redact"
	"github.com/shiplock/shiplock/internal/cli/settings"
)

// Run parses args, runs the command, and returns the exit code. It writes results to
// stdout, and the log and the failure report to stderr.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return Program{Stdout: stdout, Stderr: stderr}.Run(ctx, args)
}

// Run parses args, runs the command, and returns the exit code.
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
