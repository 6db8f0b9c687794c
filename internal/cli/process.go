package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/config"
)

// commandArgs checks the command that follows --, if any.
func commandArgs(cmd *cobra.Command, args []string) error {
	switch dash := cmd.ArgsLenAtDash(); {
	case dash == 0 && len(args) == 0:
		return errors.New("no command follows --; run, for example: migrator up -- ./server")
	case dash < 0 && len(args) > 0:
		return fmt.Errorf("up takes no argument %q; did you mean: migrator up -- %s", args[0], strings.Join(args, " "))
	case dash > 0:
		return fmt.Errorf("up takes no argument %q before --", args[0])
	}
	return nil
}

// lookPath finds a command as a shell would.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	reason := err
	if wrapped := errors.Unwrap(err); wrapped != nil {
		reason = wrapped
	}
	return "", &config.UsageError{Problem: fmt.Sprintf("command %q: %v; nothing was run. Give its path, or a name that is in PATH (%s)", name, reason, os.Getenv("PATH"))}
}

// become replaces this process by the command. It returns only an error. A signal
// that came first ends the run instead: from Reset on it would end the process.
func replaceProcess(ctx context.Context, path string, args []string) error {
	signal.Reset()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := syscall.Exec(path, args, childEnv(os.Environ()))
	next := "look at the file"
	if errors.Is(err, syscall.ENOEXEC) {
		next = "a script needs a first line such as #!/bin/sh, and a program must be built for this machine"
	}
	return &config.UsageError{Problem: fmt.Sprintf("the schema is up to date, but %s does not start: %v; %s", path, err, next)}
}
