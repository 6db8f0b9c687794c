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
		"how to show what takes long: bar, log, none, or auto for a bar on a terminal and lines in a log ($SHIPLOCK_PROGRESS)")
}

// openTerminal takes the terminal, if there is to be a bar: from then on the log and all
// other output goes through it.
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
	if !ok { // also where the screen has been taken
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

// supportsBar says whether a bar is welcome on a terminal: a CI system may give its
// jobs one, and keeps what is written to it as a log.
func supportsBar(getenv func(string) string, logFormat string) bool {
	ci, term := getenv("CI"), getenv("TERM")
	return (ci == "" || ci == "false") && term != "" && term != "dumb" && logFormat != "json"
}

// display is how progress is shown; see openTerminal.
func (a *app) display(log *slog.Logger) *progress.Display {
	switch {
	case a.terminal != nil:
		return progress.NewBar(a.terminal, progress.DefaultIntervals, a.redact)
	case a.settings.Progress == "none":
		return progress.NewQuiet(log)
	case a.settings.Progress == "bar":
		log.Warn("--progress bar needs a terminal, and standard error is none; what takes long gets lines in the log")
	}
	return progress.NewLog(log, progress.DefaultIntervals)
}

// toolDisplay is display while a foreign tool has the terminal: what is typed there
// does not come by us, so a bar would be in its way.
func (a *app) toolDisplay(d *progress.Display, log *slog.Logger, in *os.File) *progress.Display {
	if a.terminal != nil {
		if _, typed := progress.NewTerminal(in); typed {
			return progress.NewLog(log, progress.DefaultIntervals)
		}
	}
	return d
}
