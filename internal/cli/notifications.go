package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/cli/process"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/notify"
)

// notifyGroup is the title of the flags of notifications in the help.
const notifyGroup = "Notification options"

// notifyFlags adds the flags of the commands that send notifications: those that change the
// database, and wait, whose failure also stops a release.
func (a *app) notifyFlags(fs *pflag.FlagSet) {
	o, env := &a.settings.notify, flags.WithEnv(fs).InGroup(notifyGroup)
	env.StringVar(&o.WebhookURL, "webhook-url", "webhook URL to POST the outcome to; prefer the environment variable, because flag values are visible in ps")
	env.StringVar(&o.WebhookURLFile, "webhook-url-file", "file that contains only the webhook URL")
	env.StringVar(&o.WebhookToken, "webhook-token", "bearer token for the webhook; prefer the environment variable")
	env.StringVar(&o.WebhookFormat, "webhook-format", "webhook payload: json, slack, or template; by default template if --webhook-template is set, otherwise json")
	env.StringVar(&o.WebhookTemplate, "webhook-template", "file with a Go template for the webhook payload")
	env.StringVar(&o.PushgatewayURL, "pushgateway-url", "Prometheus Pushgateway to push metrics to, such as http://pushgateway:9091")
	env.BoolVar(&o.KubernetesEvent, "kubernetes-event", "emit a Kubernetes Event on the migrator's Job or pod")
	env.StringVar(&o.TerminationLog, "termination-log", "file to write the failure report to, in a pod /dev/termination-log")
	env.BoolVar(&o.Success, "notify-success", "also notify on success if the schema changed")
	env.DurationVar(&o.Timeout, "notify-timeout", "maximum total time for all notifications")
}

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
	o, log := a.settings.notify, a.console.Log()
	o.Root, o.Getenv, o.Agent, o.JobUID, o.PodUID = a.root, os.Getenv, "shiplock/"+version(), os.Getenv("SHIPLOCK_JOB_UID"), os.Getenv("SHIPLOCK_POD_UID")
	o.OnDelivered = func(where string) { log.Debug("notification sent", "to", where) }
	if err := o.CheckEvent(); err != nil {
		o.KubernetesEvent = false
		log.Warn("Kubernetes Event disabled", "error", err)
	}
	n, err := notify.New(o)
	a.notifier = n
	a.redactor.AddNotifications(n.Redact)
	if missing := config.CheckRequiredSecrets(os.Getenv); missing != nil {
		return missing // the cause; later errors are its consequences
	}
	var optionErr *notify.OptionError
	if errors.As(err, &optionErr) {
		return &config.UsageError{Problem: optionErr.Problem}
	}
	return err
}

// toolEnvironment returns the environment for an external tool, or for the command after --:
// that of this process without the notification settings and their secrets. A tool that
// inherits them and runs migrator up would send each notification twice.
func toolEnvironment(cmd *cobra.Command) []string {
	return process.Environment(os.Environ(), flags.GroupVariables(cmd.Flags(), notifyGroup))
}
