package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/cli/notifications"
	"github.com/shiplock/shiplock/internal/cli/process"
	"github.com/shiplock/shiplock/internal/cli/settings"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/notify/github"
)

// sendsNotifications reports whether the command, as called, sends notifications.
func sendsNotifications(cmd *cobra.Command) bool {
	dryRun := cmd.Flags().Lookup("dry-run")
	return cmd.Flags().Lookup("notify-timeout") != nil && (dryRun == nil || dryRun.Value.String() != "true")
}

// openNotifier validates the notification options and opens the notifier, once.
func (a *app) openNotifier() error {
	if a.notifier != nil {
		return nil
	}
	o, log := a.settings.Notify, a.console.Log()
	o.Root, o.Getenv, o.Agent, o.JobUID, o.PodUID = a.program.Root, os.Getenv, "shiplock/"+version(), os.Getenv("SHIPLOCK_JOB_UID"), os.Getenv("SHIPLOCK_POD_UID")
	o.StepSummary = github.StepSummary(os.Getenv)
	o.OnDelivered = func(where string) { log.Debug("notification sent", "to", where) }
	if err := o.CheckEvent(); err != nil {
		o.KubernetesEvent = false
		log.Warn("Kubernetes Event disabled", "error", err)
	}
	n, err := notifications.New(o)
	a.notifier = n
	a.redactor.AddNotifications(n.Redact)
	if missing := config.CheckRequiredSecrets(os.Getenv); missing != nil {
		return missing // the cause; later errors are its consequences
	}
	return err
}

// toolEnvironment returns the environment for an external tool, or for the command after --:
// that of this process without the notification settings and their secrets. A tool that
// inherits them and runs migrator up would send each notification twice.
func toolEnvironment(cmd *cobra.Command) []string {
	return process.Environment(os.Environ(), flags.GroupVariables(cmd.Flags(), settings.NotifyGroup))
}
