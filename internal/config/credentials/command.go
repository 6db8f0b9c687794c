package credentials

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

// A PasswordCommand is a program whose standard output is the password. It is started
// without a shell, because the image has none, and inherits the environment.
type PasswordCommand struct {
	path string
	args []string // arguments, starting with the program name
	// limit is the maximum duration of one run.
	limit time.Duration
}

// ParseCommand splits a command line like a shell, and looks up its program. The text of an
// error follows the name of the setting, and never contains an argument.
func ParseCommand(line string) (PasswordCommand, error) {
	parser := shellwords.NewParser()
	args, err := parser.Parse(line)
	switch {
	case err != nil:
		return PasswordCommand{}, errors.New("has an unclosed quote, bracket or backslash; quote arguments as in a shell")
	case parser.Position >= 0:
		return PasswordCommand{}, fmt.Errorf("contains %q outside quotes, but it does not run in a shell: quote it, or specify a script", string([]rune(line)[parser.Position]))
	case len(args) == 0:
		return PasswordCommand{}, errors.New("is empty")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		var reason error = err
		if wrapped := errors.Unwrap(err); wrapped != nil {
			reason = wrapped
		}
		return PasswordCommand{}, &LookupError{Program: args[0], Err: reason}
	}
	return PasswordCommand{path: path, args: args, limit: commandTimeout}, nil
}

// A LookupError reports that the program of a command line cannot be run.
type LookupError struct {
	Program string
	Err     error
}

func (e *LookupError) Error() string { return fmt.Sprintf("%s: %v", e.Program, e.Err) }

func (e *LookupError) Unwrap() error { return e.Err }

func (c PasswordCommand) from() string { return "password command " + filepath.Base(c.args[0]) }

// Login is part of Source.
func (c PasswordCommand) Login(ctx context.Context) (Login, error) {
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
		return Login{}, context.Cause(ctx)
	case short.Err() != nil:
		return Login{}, c.failure(fmt.Sprintf("did not exit within %s", c.limit), &out, &errs)
	case errors.Is(err, exec.ErrWaitDelay): // it left a daemon running, which is allowed
	case err != nil:
		return Login{}, c.failure(exitText(cmd, err), &out, &errs)
	}
	s, err := secretOf(out.Bytes(), c.from(), "printed")
	var e *Error
	if errors.As(err, &e) {
		e.Command, e.Next = true, "make the command print only the password to standard output"
	}
	return Login{Password: s}, err
}

// MaxLag is part of Source.
func (PasswordCommand) MaxLag() time.Duration { return 0 }

// RetriesUnchanged is part of Source: whether a token is still valid cannot be determined locally.
func (PasswordCommand) RetriesUnchanged() bool { return true }

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
func (c PasswordCommand) failure(how string, out *limitedBuffer, errs *lastOutput) error {
	e := &Error{From: c.from(), Problem: how, Command: true, Next: "fix the cause that the command reports, and run the migrator again; to test the command, run it where the migrator runs, with the same environment"}
	if line := errs.line(); line != "" {
		e.Problem += ": " + SecretsFromEnv(os.Environ()).Redact(Redact(line, strings.Fields(out.String())...))
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
