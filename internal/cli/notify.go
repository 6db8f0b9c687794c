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

// notifyFlags are those of the verbs whose end somebody waits for: the ones that
// change something, and wait, whose failure stops a release, too.
func (a *app) notifyFlags(fs *pflag.FlagSet) {
	o := &a.notify
	group := pflag.NewFlagSet("", pflag.ContinueOnError)
	group.StringVar(&o.WebhookURL, "webhook-url", "", "POST the outcome to this URL; better by the variable, as ps shows flags ($SHIPLOCK_WEBHOOK_URL)")
	group.StringVar(&o.WebhookURLFile, "webhook-url-file", "", "file with that URL alone ($SHIPLOCK_WEBHOOK_URL_FILE)")
	group.StringVar(&o.WebhookToken, "webhook-token", "", "bearer token for it; better by the variable ($SHIPLOCK_WEBHOOK_TOKEN)")
	group.StringVar(&o.WebhookFormat, "webhook-format", "", "json, slack or template; without it json, or template where one is given ($SHIPLOCK_WEBHOOK_FORMAT)")
	group.StringVar(&o.WebhookTemplate, "webhook-template", "", "file with a Go template of what is sent ($SHIPLOCK_WEBHOOK_TEMPLATE)")
	group.StringVar(&o.PushgatewayURL, "pushgateway-url", "", "push metrics to this Prometheus Pushgateway, such as http://pushgateway:9091 ($SHIPLOCK_PUSHGATEWAY_URL)")
	group.BoolVar(&o.KubernetesEvent, "kubernetes-event", false, "make an Event on our Job, or pod ($SHIPLOCK_KUBERNETES_EVENT)")
	group.StringVar(&o.TerminationLog, "termination-log", "", "write the card to this file, in a pod /dev/termination-log ($SHIPLOCK_TERMINATION_LOG)")
	group.BoolVar(&o.Success, "notify-success", false, "tell a success, too, if something was changed ($SHIPLOCK_NOTIFY_SUCCESS)")
	group.DurationVar(&o.Timeout, "notify-timeout", notify.DefaultTimeout, "the most that all of these may take together ($SHIPLOCK_NOTIFY_TIMEOUT)")
	group.VisitAll(func(f *pflag.Flag) {
		f.Annotations = map[string][]string{notifyAnnotation: nil}
		fs.AddFlag(f)
	})
}

// notifyAnnotation marks a flag that help lists apart from the verb's own.
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

// usageTemplate lists the flags in two groups.
func usageTemplate(cobras string) string {
	const one = "{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}"
	return strings.Replace(cobras, one, "{{ownFlags .LocalFlags}}{{with notifyFlags .LocalFlags}}\n\n"+
		"Who is told (docs/guides/notifications.md):\n{{.}}{{end}}", 1)
}

// openNotifier checks where the outcome goes, once.
func (a *app) openNotifier() error {
	if a.notifier != nil {
		return nil
	}
	o := a.notify
	o.Root, o.Getenv, o.Agent, o.JobUID, o.PodUID = filesRoot, os.Getenv, "shiplock/"+version(), os.Getenv("SHIPLOCK_JOB_UID"), os.Getenv("SHIPLOCK_POD_UID")
	o.OnDelivered = func(where string) { a.logOrDefault().Debug("told", "to", where) }
	if err := o.CheckEvent(); err != nil {
		o.KubernetesEvent = false
		a.logOrDefault().Warn("there will be no Kubernetes Event", "error", err)
	}
	n, err := notify.New(o)
	a.notifier = n
	if missing := config.CheckRequiredSecrets(os.Getenv); missing != nil {
		return missing // what follows from that is of less use
	}
	var wrong *notify.OptionError
	if errors.As(err, &wrong) {
		return &config.UsageError{Problem: wrong.Problem}
	}
	return err
}

// logOrDefault is the log, also where its options are wrong.
func (a *app) logOrDefault() *slog.Logger {
	if log, err := a.logger(); err == nil {
		return log
	}
	return slog.New(slog.NewTextHandler(a.stderr, nil))
}

// hide keeps secrets out of what is shown.
func (a *app) redact(s string) string {
	if s = a.redactor(s); a.notifier != nil {
		s = a.notifier.Redact(s)
	}
	return s
}

// notifyVariables are those that say where the outcome goes. A tool that calls
// migrator up itself would else tell of it twice.
func notifyVariables() []string {
	var names []string
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&app{}).notifyFlags(fs)
	fs.VisitAll(func(f *pflag.Flag) { names = append(names, envNames(f.Name)...) })
	return names
}
