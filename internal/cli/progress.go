package cli

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/progress"
)

func (a *app) progressFlag(fs *pflag.FlagSet) {
	fs.StringVar(&a.settings.Progress, "progress", "auto",
		"progress output: bar, log, none, or auto (bar on a terminal, otherwise log) ($SHIPLOCK_PROGRESS)")
}

// openTerminal opens the terminal if a progress bar is to be shown. The log and all other
// output are then written through it.
func (a *app) openTerminal() error {
	switch a.settings.Progress {
	case "auto", "bar", "log", "none":
	default:
		return &config.UsageError{Problem: fmt.Sprintf("--progress is %q; want auto, bar, log or none", a.settings.Progress)}
	}
	if a.settings.Progress != "bar" && (a.settings.Progress != "auto" || !supportsBar(os.Getenv, a.settings.LogFormat)) {
		return nil
	}
	file, ok := a.stderr.(*os.File)
	if !ok { // not a file, or the terminal is already open
		return nil
	}
	terminal, ok := progress.NewTerminal(file)
	if !ok {
		return nil
	}
	a.terminal, a.stderr = terminal, terminal
	if out, ok := a.stdout.(*os.File); ok {
		if _, same := progress.NewTerminal(out); same {
			a.stdout = terminal.Writer(out)
		}
	}
	return nil
}

// supportsBar reports whether to show a progress bar on a terminal. A CI system may give its
// jobs a terminal and store the output as a log.
func supportsBar(getenv func(string) string, logFormat string) bool {
	ci, term := getenv("CI"), getenv("TERM")
	return (ci == "" || ci == "false") && term != "" && term != "dumb" && logFormat != "json"
}

// display returns the progress display. If a bar is to be shown, openTerminal must come first.
func (a *app) display(log *slog.Logger) *progress.Display {
	switch {
	case a.terminal != nil:
		return progress.NewBar(a.terminal, progress.DefaultIntervals, a.redact)
	case a.settings.Progress == "none":
		return progress.NewQuiet(log)
	case a.settings.Progress == "bar":
		log.Warn("--progress bar requires a terminal; logging progress instead")
	}
	return progress.NewLog(log, progress.DefaultIntervals)
}

// toolDisplay returns the progress display of an external tool. If the tool reads from the
// terminal, the display logs progress: a bar would overwrite what the user types.
func (a *app) toolDisplay(d *progress.Display, log *slog.Logger, in *os.File) *progress.Display {
	if a.terminal != nil {
		if _, interactive := progress.NewTerminal(in); interactive {
			return progress.NewLog(log, progress.DefaultIntervals)
		}
	}
	return d
}
