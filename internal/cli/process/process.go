// Package process has what the commands up and exec of package cli need for the command after
// "--". Find returns its path, Line its text, and Environment its environment. Replace replaces
// this process by it.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"al.essio.dev/pkg/shellescape"

	"github.com/shiplock/shiplock/internal/config"
)

// Find searches for a command as a shell does, and returns its path.
func Find(name string) (path string, err error) {
	path, err = exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	reason := err
	if wrapped := errors.Unwrap(err); wrapped != nil {
		reason = wrapped
	}
	return "", &config.UsageError{Problem: fmt.Sprintf("command %q: %v; nothing was run. Specify a path, or the name of a file in PATH (%s)", name, reason, os.Getenv("PATH"))}
}

// Replace replaces this process with the command and returns only on an error. If a signal
// arrived earlier, it returns that as the error: after Reset, a signal would end the process.
func Replace(ctx context.Context, path string, args, environ []string) error {
	signal.Reset()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := syscall.Exec(path, args, environ)
	next := "check the file"
	if errors.Is(err, syscall.ENOEXEC) {
		next = "add a first line such as #!/bin/sh to a script; build a program for this machine's architecture"
	}
	return &config.UsageError{Problem: fmt.Sprintf("schema is up to date, but %s does not start: %v; %s", path, err, next)}
}

// Environment returns the environment of the command: environ without the excluded variables.
func Environment(environ, excluded []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(excluded, name)
	})
}

// Line returns a command as it is typed in a shell, on one line.
func Line(args []string) string {
	return strings.ReplaceAll(shellescape.QuoteCommand(args), "\n", " ")
}
