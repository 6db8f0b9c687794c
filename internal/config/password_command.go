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
	// commandTimeout limits one run of the password command, which may call a network
	// service; each connection waits for it.
	commandTimeout = 10 * time.Second
	// commandGrace is how long to wait for processes that keep the command's pipes open after it exits.
	commandGrace = time.Second
)

// A passwordCommand is a program whose standard output is the password. It is started
// without a shell, because the image has none, and inherits the environment.
type passwordCommand struct {
	path string
	args []string // arguments, starting with the program name
	// limit is the maximum duration of one run.
	limit time.Duration
}

// parseCommand splits a command line like a shell, and looks up its program.
// Errors are *UsageError.
func parseCommand(line string) (passwordCommand, error) {
	parser := shellwords.NewParser()
	args, err := parser.Parse(line)
	switch {
	case err != nil:
		return passwordCommand{}, usage("--password-command has an unclosed quote, bracket or backslash; quote arguments as in a shell")
	case parser.Position >= 0:
		return passwordCommand{}, usage("--password-command contains %q outside quotes, but it does not run in a shell: quote it, or specify a script", string([]rune(line)[parser.Position]))
	case len(args) == 0:
		return passwordCommand{}, usage("--password-command is empty")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		var reason error = err
		if wrapped := errors.Unwrap(err); wrapped != nil {
			reason = wrapped
		}
		return passwordCommand{}, usage("--password-command: %s: %v; nothing was run. The migrator image contains no other programs: build an image FROM it that contains the command, or set --password-file", args[0], reason)
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
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that the whole process group is killed
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return login{}, context.Cause(ctx)
	case short.Err() != nil:
		return login{}, c.failure(fmt.Sprintf("did not exit within %s", c.limit), &out, &errs)
	case errors.Is(err, exec.ErrWaitDelay): // it left a daemon running, which is allowed
	case err != nil:
		return login{}, c.failure(exitText(cmd, err), &out, &errs)
	}
	s, err := secretOf(out.Bytes(), c.from(), "printed")
	var e *SecretError
	if errors.As(err, &e) {
		e.Command, e.Next = true, "make the command print only the password to standard output"
	}
	return login{password: s}, err
}

func (passwordCommand) maxLag() time.Duration  { return 0 }
func (passwordCommand) retriesUnchanged() bool { return true }

func exitText(cmd *exec.Cmd, err error) string {
	if cmd.ProcessState == nil {
		return fmt.Sprintf("could not start: %v", errors.Unwrap(err))
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Sprintf("ended by signal %d (%v)", status.Signal(), status.Signal())
	}
	return fmt.Sprintf("failed with exit code %d", cmd.ProcessState.ExitCode())
}

// failure returns an error with the last line of the command's standard error, and never
// with its standard output.
func (c passwordCommand) failure(how string, out *limitedBuffer, errs *lastOutput) error {
	e := &SecretError{From: c.from(), Problem: how, Command: true, Next: "fix the cause that the command reports, and run the migrator again; to test the command, run it where the migrator runs, with the same environment"}
	if line := errs.line(); line != "" {
		e.Problem += ": " + SecretsFromEnv(os.Environ()).Redact(redact(line, strings.Fields(out.String())...))
	}
	return e
}

// A limitedBuffer keeps the beginning of a program's output, up to the maximum length of a secret.
type limitedBuffer struct{ bytes.Buffer }

func (l *limitedBuffer) Write(p []byte) (int, error) {
	l.Buffer.Write(p[:min(len(p), maxSecret+1-l.Len())])
	return len(p), nil
}

// A lastOutput keeps the end of a program's output, including its last line.
type lastOutput struct{ text []byte }

func (l *lastOutput) Write(p []byte) (int, error) {
	const enough = 4 << 10
	l.text = append(l.text, p[max(0, len(p)-enough):]...)
	if len(l.text) > 2*enough {
		l.text = append(l.text[:0], l.text[len(l.text)-enough:]...)
	}
	return len(p), nil
}

// line returns the last line that is not blank.
func (l *lastOutput) line() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(l.text), "\uFFFD"))
	return strings.TrimSpace(text[strings.LastIndexAny(text, "\n\r")+1:])
}
