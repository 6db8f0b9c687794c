package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/report"
)

// finish tells how a verb has ended, here first and then to everybody else, and
// returns the exit code.
func (a *app) finish(ctx context.Context, cmd *cobra.Command, err error) int {
	notifies := cmd.Flags().Lookup("notify-timeout") != nil && !isDryRun(cmd)
	if notifies && a.notifier == nil { // it has not come as far as that
		_ = applyEnvironment(cmd.Flags(), os.Getenv)
		_ = a.openNotifier()
	}
	if err == nil && a.summary == nil {
		return report.ExitOK // a verb that only shows something, or its help
	}
	m := a.message(cmd.Name(), err)
	saidErr := a.writeReport(m, err, notifies)
	if notifies {
		for _, err := range a.notifier.Deliver(ctx, m) {
			a.logOrDefault().Warn("could not be told", "error", err)
		}
	}
	if saidErr != nil && err != nil {
		return max(m.ExitCode, report.ExitInternal)
	}
	return m.ExitCode
}

// isDryRun says that a verb was only asked what it would do.
func isDryRun(cmd *cobra.Command) bool {
	f := cmd.Flags().Lookup("dry-run")
	return f != nil && f.Value.String() == "true"
}

// say is what standard error gets: the card, or the two lines of a success that is
// to be told.
func (a *app) writeReport(m notify.Message, err error, notifies bool) error {
	told := err != nil || notifies && a.notify.Success && m.Changed
	if !told {
		return nil
	}
	said := a.printReport(m, err)
	var found *engine.RehearsalError // is annotated already, finding by finding
	if a.github != nil && !errors.As(err, &found) {
		said = errors.Join(said, a.github.Annotate(m, a.settings.Source))
	}
	return said
}

func (a *app) printReport(m notify.Message, err error) error {
	if log, logErr := a.logger(); logErr == nil && a.settings.LogFormat == "json" {
		return logReport(log, m)
	}
	if err == nil {
		_, werr := io.WriteString(a.stderr, m.Report)
		return werr
	}
	return report.Report{Code: m.ExitCode, Title: m.Title, Rows: m.Rows}.Write(a.stderr, a.color)
}

// logReport is the card as one record, its rows as fields.
func logReport(log *slog.Logger, m notify.Message) error {
	level := slog.LevelError
	if m.Succeeded() {
		level = slog.LevelInfo
	}
	r := slog.NewRecord(time.Now(), level, m.Title, 0)
	r.AddAttrs(slog.Int("code", m.ExitCode))
	for _, row := range m.Rows {
		r.AddAttrs(slog.String(strings.ReplaceAll(row.Name, " ", "_"), row.Text))
	}
	return log.Handler().Handle(context.Background(), r)
}
