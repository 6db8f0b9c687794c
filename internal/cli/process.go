package cli

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

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/config"
)

// commandArgs validates the arguments of up: an optional command after --.
func commandArgs(cmd *cobra.Command, args []string) error {
	switch dash := cmd.ArgsLenAtDash(); {
	case dash == 0 && len(args) == 0:
		return errors.New("missing command after --; run, for example: migrator up -- ./server")
	case dash < 0 && len(args) > 0:
		return fmt.Errorf("unexpected argument %q; did you mean: migrator up -- %s", args[0], strings.Join(args, " "))
	case dash > 0:
		return fmt.Errorf("unexpected argument %q before --", args[0])
	}
	return nil
}

// lookPath searches for a command as a shell does.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	reason := err
	if wrapped := errors.Unwrap(err); wrapped != nil {
		reason = wrapped
	}
	return "", &config.UsageError{Problem: fmt.Sprintf("command %q: %v; nothing was run. Specify a path, or the name of a file in PATH (%s)", name, reason, os.Getenv("PATH"))}
}

// replaceProcess replaces this process with the command and returns only on an error. If a
// signal arrived earlier, it returns that as the error: after Reset, a signal would end the process.
func replaceProcess(ctx context.Context, path string, args []string) error {
	signal.Reset()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := syscall.Exec(path, args, childEnv(os.Environ()))
	next := "check the file"
	if errors.Is(err, syscall.ENOEXEC) {
		next = "add a first line such as #!/bin/sh to a script; build a program for this machine's architecture"
	}
	return &config.UsageError{Problem: fmt.Sprintf("schema is up to date, but %s does not start: %v; %s", path, err, next)}
}

// childEnv returns the environment for an external tool, or for the command after --: environ
// without the notification settings and their secrets.
func childEnv(environ []string) []string {
	excluded := notifyVariables()
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(excluded, name)
	})
}
