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

	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/cli/outcome"
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/report"
)

// finish writes the report of a command to standard error, sends the notifications, and
// returns the exit code.
func (a *app) finish(ctx context.Context, cmd *cobra.Command, err error) int {
	notifies := sendsNotifications(cmd)
	if !a.prepared { // the command line is invalid
		a.prepareReport(cmd, notifies)
	}
	if notifies && a.notifier == nil { // the command failed before it opened the notifier
		_ = a.openNotifier()
	}
	if err == nil && a.summary == nil {
		return report.ExitOK // the command is read-only, or printed its help
	}
	m := a.message(cmd.Name(), err)
	reportErr := a.writeReport(m, err, notifies)
	if notifies {
		for _, err := range a.notifier.Deliver(ctx, m) {
			a.console.Log().Warn("notification failed", "error", err)
		}
	}
	if reportErr != nil && err != nil {
		return max(m.ExitCode, report.ExitInternal)
	}
	return m.ExitCode
}

// prepareReport prepares a run whose command line is invalid, so that its report has the
// format, and its notifications have the destinations, that are known.
func (a *app) prepareReport(cmd *cobra.Command, notifies bool) {
	if notifies {
		_ = flags.ApplyEnvironment(cmd.Flags(), os.Getenv)
	}
	a.console.Configure(a.settings.console, a.settings.Source, runsTool(cmd))
}

// message returns the notification of a run that ended with err.
func (a *app) message(command string, err error) notify.Message {
	return outcome.Run{
		Run: a.runInfo(command), Pod: identity().Pod, Job: os.Getenv("SHIPLOCK_JOB"),
		Migrator: version(), Started: a.started, Redact: a.redactor.Redact,
	}.Message(a.summary, err)
}

// writeReport writes the failure report to standard error, or the two lines of a success
// with --notify-success, and annotates the run in GitHub Actions.
func (a *app) writeReport(m notify.Message, err error, notifies bool) error {
	if err == nil && !(notifies && a.settings.notify.Success && m.Changed) {
		return nil
	}
	reportErr := a.printReport(m, err)
	var rehearsalErr *engine.RehearsalError // its findings are annotated one by one
	if github := a.console.GitHub(); github != nil && !errors.As(err, &rehearsalErr) {
		reportErr = errors.Join(reportErr, github.Annotate(m, a.settings.Source))
	}
	return reportErr
}

// printReport writes the report in the format of the log.
func (a *app) printReport(m notify.Message, err error) error {
	if a.console.JSON() {
		return logReport(a.console.Log(), m)
	}
	if err == nil {
		_, writeErr := io.WriteString(a.console.Stderr(), m.Report)
		return writeErr
	}
	return report.Report{Code: m.ExitCode, Title: m.Title, Rows: m.Rows}.Write(a.console.Stderr(), a.console.Color())
}

// logReport writes the report as one log record, with its rows as fields.
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
