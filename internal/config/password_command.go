package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-shellwords"
)

const (
	// commandTimeout bounds one run of the password command, which may ask a service
	// over the network; a connection has to wait for it.
	commandTimeout = 10 * time.Second
	// commandGrace is for who keeps the command's pipes once it has ended.
	commandGrace = time.Second
)

// passwordCommand is a program whose standard output is the password. It is started
// without a shell, which the image does not have, and gets our environment.
type passwordCommand struct {
	path string
	args []string // with the name it is called by in front
	// limit bounds one run.
	limit time.Duration
}

// parseCommand splits a command line as a shell does, and finds its program.
// Errors are *UsageError.
func parseCommand(line string) (passwordCommand, error) {
	parser := shellwords.NewParser()
	args, err := parser.Parse(line)
	switch {
	case err != nil:
		return passwordCommand{}, usage("--password-command has a quote, a bracket or a backslash that is not closed; quote what is to stay together, as a shell wants it")
	case parser.Position >= 0:
		return passwordCommand{}, usage("--password-command has %q outside of quotes, and no shell runs it: quote it, or give the name of a script", string([]rune(line)[parser.Position]))
	case len(args) == 0:
		return passwordCommand{}, usage("--password-command holds no command")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		var reason error = err
		if wrapped := errors.Unwrap(err); wrapped != nil {
			reason = wrapped
		}
		return passwordCommand{}, usage("--password-command: %s: %v; nothing was run. The migrator's image has no programs but its own: take one FROM it that has the command, or give the password by file", args[0], reason)
	}
	return passwordCommand{path: path, args: args, limit: commandTimeout}, nil
}

func (c passwordCommand) from() string { return "password command " + filepath.Base(c.args[0]) }

func (c passwordCommand) login(ctx context.Context) (login, error) {
	var out limitedBuffer
	var errs lastOutput
	short, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	cmd := exec.CommandContext(short, c.path)
	cmd.Args, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = c.args, &out, &errs, commandGrace
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that all of it is ended
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return login{}, context.Cause(ctx)
	case short.Err() != nil:
		return login{}, c.failure(fmt.Sprintf("did not end within %s", c.limit), &out, &errs)
	case errors.Is(err, exec.ErrWaitDelay): // it left a daemon behind, which is its own affair
	case err != nil:
		return login{}, c.failure(exitText(cmd, err), &out, &errs)
	}
	s, err := secretOf(out.Bytes(), c.from(), "printed")
	var e *SecretError
	if errors.As(err, &e) {
		e.Command, e.Next = true, "make it print the password alone to its standard output"
	}
	return login{password: s}, err
}

func (passwordCommand) maxLag() time.Duration  { return 0 }
func (passwordCommand) retriesUnchanged() bool { return true }

func exitText(cmd *exec.Cmd, err error) string {
	if cmd.ProcessState == nil {
		return fmt.Sprintf("does not start: %v", errors.Unwrap(err))
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Sprintf("ended by signal %d (%v)", status.Signal(), status.Signal())
	}
	return fmt.Sprintf("failed with exit code %d", cmd.ProcessState.ExitCode())
}

// failure tells the last line of the command's standard error, and never what it
// wrote to its standard output.
func (c passwordCommand) failure(how string, out *limitedBuffer, errs *lastOutput) error {
	e := &SecretError{From: c.from(), Problem: how, Command: true, Next: "mend what the command complains of, and run the migrator again; to try the command alone, run it where the migrator runs, with the same environment"}
	if line := errs.line(); line != "" {
		e.Problem += ": " + SecretsFromEnv(os.Environ()).Redact(redact(line, strings.Fields(out.String())...))
	}
	return e
}

// limitedBuffer keeps what a program says first, as much as a secret may have.
type limitedBuffer struct{ bytes.Buffer }

func (l *limitedBuffer) Write(p []byte) (int, error) {
	l.Buffer.Write(p[:min(len(p), maxSecret+1-l.Len())])
	return len(p), nil
}

// lastOutput keeps the end of what a program says, in which there is its last line.
type lastOutput struct{ text []byte }

func (l *lastOutput) Write(p []byte) (int, error) {
	const enough = 4 << 10
	l.text = append(l.text, p[max(0, len(p)-enough):]...)
	if len(l.text) > 2*enough {
		l.text = append(l.text[:0], l.text[len(l.text)-enough:]...)
	}
	return len(p), nil
}

// line is the last one that is not blank.
func (l *lastOutput) line() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(l.text), "\uFFFD"))
	return strings.TrimSpace(text[strings.LastIndexAny(text, "\n\r")+1:])
}
