// Package console has the output streams of a run, which several parties share: results, the
// log, the failure report, a progress bar, the runner of GitHub Actions, and the output of an
// external tool.
//
// A Console is created with the streams of the process, and configured once the flags are
// known. Package cli writes all output to it.
package console

import (
	"io"
	"log/slog"
	"os"

	"github.com/shiplock/shiplock/internal/notify/github"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/subprocess"
)

// A Console is the output of a run.
type Console struct {
	options        Options
	stdout, stderr io.Writer
	color          bool // whether standard error is written in color
	getenv         func(string) string
	redact         func(string) string
	log            *slog.Logger
	github         *github.Runner           // nil outside GitHub Actions
	terminal       *progress.Terminal       // nil without a progress bar
	shared         *subprocess.SharedOutput // nil without an external tool
	toolOut        io.Writer
	toolErr        io.Writer
}

// New returns a Console that writes to these streams. redact removes secrets from the log.
// Until Configure is called, the log has the default options.
func New(stdout, stderr io.Writer, getenv, redact func(string) string) *Console {
	c := &Console{stdout: stdout, stderr: stderr, color: report.ColorEnabled(stderr, getenv), getenv: getenv, redact: redact}
	if c.github = github.New(getenv, stderr); c.github != nil {
		c.stdout, c.stderr = c.github.Filter(stdout), c.github.Out()
	}
	c.log = newLog(c.stderr, c.options, redact, c.github, "")
	return c
}

// Configure applies the options. source is the migrations directory. If an external tool
// runs, it shares the streams. Call Configure before the first output.
func (c *Console) Configure(o Options, source string, runsTool bool) {
	c.options = o
	c.openTerminal()
	if runsTool {
		c.shared = subprocess.NewSharedOutput(c.stderr, o.LogFormat == LogJSON)
		c.toolOut, c.toolErr = c.shared.ProgramWriter(c.stdout), c.shared.ProgramWriter(c.stderr)
		c.stderr = c.shared
	}
	c.log = newLog(c.stderr, o, c.redact, c.github, source)
}

// Close writes the output that is held back.
func (c *Console) Close() {
	if c.github != nil {
		_ = c.github.Close() // the streams are those of the process, which ends
	}
}

// Stdout returns standard output.
func (c *Console) Stdout() io.Writer { return c.stdout }

// Stderr returns standard error.
func (c *Console) Stderr() io.Writer { return c.stderr }

// ToolOutput returns the standard output and standard error of the external tool.
func (c *Console) ToolOutput() (stdout, stderr io.Writer) { return c.toolOut, c.toolErr }

// GitHub returns the runner of GitHub Actions, or nil.
func (c *Console) GitHub() *github.Runner { return c.github }

// Log returns the log.
func (c *Console) Log() *slog.Logger { return c.log }

// openTerminal opens the terminal if a progress bar is to be shown. The log and all other
// output are then written through it.
func (c *Console) openTerminal() {
	switch c.options.Progress {
	case ProgressBar:
	case ProgressAuto:
		if !c.supportsBar() {
			return
		}
	default:
		return
	}
	file, ok := c.stderr.(*os.File)
	if !ok {
		return
	}
	terminal, ok := progress.NewTerminal(file)
	if !ok {
		return
	}
	c.terminal, c.stderr = terminal, terminal
	if out, ok := c.stdout.(*os.File); ok {
		if _, same := progress.NewTerminal(out); same {
			c.stdout = terminal.Writer(out)
		}
	}
}

// supportsBar reports whether to show a progress bar on a terminal. A CI system may give its
// jobs a terminal and store the output as a log.
func (c *Console) supportsBar() bool {
	ci, term := c.getenv("CI"), c.getenv("TERM")
	return (ci == "" || ci == "false") && term != "" && term != "dumb" && c.options.LogFormat != LogJSON
}

// Progress returns the progress display of the run.
func (c *Console) Progress() *progress.Display {
	switch {
	case c.terminal != nil:
		return progress.NewBar(c.terminal, progress.DefaultIntervals, c.redact)
	case c.options.Progress == ProgressNone:
		return progress.NewQuiet(c.log)
	case c.options.Progress == ProgressBar:
		c.log.Warn("--progress bar requires a terminal; logging progress instead")
	}
	return progress.NewLog(c.log, progress.DefaultIntervals)
}

// ToolProgress returns the progress display of an external tool that reads from in. If in is
// a terminal, the display logs progress: a bar would overwrite what the user types.
func (c *Console) ToolProgress(d *progress.Display, in *os.File) *progress.Display {
	if c.terminal != nil {
		if _, interactive := progress.NewTerminal(in); interactive {
			return progress.NewLog(c.log, progress.DefaultIntervals)
		}
	}
	return d
}
