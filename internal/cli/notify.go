package cli

import (
	"errors"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/notify"
)

// notifyFlags adds the flags of the commands that send notifications: those that change the
// database, and wait, whose failure also stops a release.
func (a *app) notifyFlags(fs *pflag.FlagSet) {
	o := &a.notify
	group := pflag.NewFlagSet("", pflag.ContinueOnError)
	group.StringVar(&o.WebhookURL, "webhook-url", "", "webhook URL to POST the outcome to; prefer the environment variable, because flag values are visible in ps ($SHIPLOCK_WEBHOOK_URL)")
	group.StringVar(&o.WebhookURLFile, "webhook-url-file", "", "file that contains only the webhook URL ($SHIPLOCK_WEBHOOK_URL_FILE)")
	group.StringVar(&o.WebhookToken, "webhook-token", "", "bearer token for the webhook; prefer the environment variable ($SHIPLOCK_WEBHOOK_TOKEN)")
	group.StringVar(&o.WebhookFormat, "webhook-format", "", "webhook payload: json, slack, or template; by default template if --webhook-template is set, otherwise json ($SHIPLOCK_WEBHOOK_FORMAT)")
	group.StringVar(&o.WebhookTemplate, "webhook-template", "", "file with a Go template for the webhook payload ($SHIPLOCK_WEBHOOK_TEMPLATE)")
	group.StringVar(&o.PushgatewayURL, "pushgateway-url", "", "Prometheus Pushgateway to push metrics to, such as http://pushgateway:9091 ($SHIPLOCK_PUSHGATEWAY_URL)")
	group.BoolVar(&o.KubernetesEvent, "kubernetes-event", false, "emit a Kubernetes Event on the migrator's Job or pod ($SHIPLOCK_KUBERNETES_EVENT)")
	group.StringVar(&o.TerminationLog, "termination-log", "", "file to write the failure report to, in a pod /dev/termination-log ($SHIPLOCK_TERMINATION_LOG)")
	group.BoolVar(&o.Success, "notify-success", false, "also notify on success if the schema changed ($SHIPLOCK_NOTIFY_SUCCESS)")
	group.DurationVar(&o.Timeout, "notify-timeout", notify.DefaultTimeout, "maximum total time for all notifications ($SHIPLOCK_NOTIFY_TIMEOUT)")
	group.VisitAll(func(f *pflag.Flag) {
		f.Annotations = map[string][]string{notifyAnnotation: nil}
		fs.AddFlag(f)
	})
}

// notifyAnnotation marks a flag that the help lists under "Notification options".
const notifyAnnotation = "notify"

func init() {
	cobra.AddTemplateFunc("ownFlags", func(fs *pflag.FlagSet) string { return usages(fs, false) })
	cobra.AddTemplateFunc("notifyFlags", func(fs *pflag.FlagSet) string { return usages(fs, true) })
}

func usages(fs *pflag.FlagSet, notifies bool) string {
	part := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.VisitAll(func(f *pflag.Flag) {
		if _, ok := f.Annotations[notifyAnnotation]; ok == notifies {
			part.AddFlag(f)
		}
	})
	return strings.TrimRight(part.FlagUsages(), "\n")
}

// usageTemplate changes cobra's template to list the flags in two groups.
func usageTemplate(template string) string {
	const allFlags = "{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}"
	return strings.Replace(template, allFlags, "{{ownFlags .LocalFlags}}{{with notifyFlags .LocalFlags}}\n\n"+
		"Notification options:\n{{.}}{{end}}", 1)
}

// openNotifier validates the notification options and opens the notifier, once.
func (a *app) openNotifier() error {
	if a.notifier != nil {
		return nil
	}
	o := a.notify
	o.Root, o.Getenv, o.Agent, o.JobUID, o.PodUID = filesRoot, os.Getenv, "shiplock/"+version(), os.Getenv("SHIPLOCK_JOB_UID"), os.Getenv("SHIPLOCK_POD_UID")
	o.OnDelivered = func(where string) { a.logOrDefault().Debug("notification sent", "to", where) }
	if err := o.CheckEvent(); err != nil {
		o.KubernetesEvent = false
		a.logOrDefault().Warn("Kubernetes Event disabled", "error", err)
	}
	n, err := notify.New(o)
	a.notifier = n
	if missing := config.CheckRequiredSecrets(os.Getenv); missing != nil {
		return missing // the cause; later errors are its consequences
	}
	var optionErr *notify.OptionError
	if errors.As(err, &optionErr) {
		return &config.UsageError{Problem: optionErr.Problem}
	}
	return err
}

// logOrDefault returns the logger, or a default one if the log options are invalid.
func (a *app) logOrDefault() *slog.Logger {
	if log, err := a.logger(); err == nil {
		return log
	}
	return slog.New(slog.NewTextHandler(a.stderr, nil))
}

// redact removes secrets from a text.
func (a *app) redact(s string) string {
	if s = a.redactor(s); a.notifier != nil {
		s = a.notifier.Redact(s)
	}
	return s
}

// notifyVariables returns the environment variables of the notification options. A tool that
// inherits them and runs migrator up would send each notification twice.
func notifyVariables() []string {
	var names []string
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&app{}).notifyFlags(fs)
	fs.VisitAll(func(f *pflag.Flag) { names = append(names, envNames(f.Name)...) })
	return names
}
