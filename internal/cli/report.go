package cli

import (
	"cmp"
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/cli/outcome"
	"github.com/shiplock/shiplock/internal/cli/settings"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/rehearsal"
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
	a.console.Configure(a.settings.Console, a.settings.Source, settings.RunsTool(cmd))
}

// message returns the message of a run that ended with err.
func (a *app) message(command string, err error) notify.Message {
	run := outcome.NewRun(command, a.database, cmp.Or(a.settings.Role, a.user))
	run.Migrator, run.Started, run.Redact = version(), a.started, a.redactor.Redact
	return run.Message(a.summary, err)
}

// writeReport writes the failure report to standard error, or the two lines of a success
// with --notify-success, and annotates the run in GitHub Actions.
func (a *app) writeReport(m notify.Message, err error, notifies bool) error {
	if err == nil && !(notifies && a.settings.Notify.Success && m.Changed) {
		return nil
	}
	reportErr := a.console.WriteReport(m)
	var rehearsalErr *rehearsal.RehearsalError // its findings are annotated one by one
	if github := a.console.GitHub(); github != nil && !errors.As(err, &rehearsalErr) {
		reportErr = errors.Join(reportErr, github.Annotate(m, a.settings.Source))
	}
	return reportErr
}
