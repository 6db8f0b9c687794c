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
	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/report"
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
		f.Annotations = map[string][]string{notifyGroup: nil}
		fs.AddFlag(f)
	})
}

// notifyGroup marks a flag that help lists apart from the verb's own.
const notifyGroup = "notify"

func init() {
	cobra.AddTemplateFunc("ownFlags", func(fs *pflag.FlagSet) string { return usages(fs, false) })
	cobra.AddTemplateFunc("notifyFlags", func(fs *pflag.FlagSet) string { return usages(fs, true) })
}

func usages(fs *pflag.FlagSet, notifies bool) string {
	part := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.VisitAll(func(f *pflag.Flag) {
		if _, ok := f.Annotations[notifyGroup]; ok == notifies {
			part.AddFlag(f)
		}
	})
	return strings.TrimRight(part.FlagUsages(), "\n")
}

// usageTemplate lists the flags in two groups.
func usageTemplate(cobras string) string {
	const one = "{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}"
	return strings.Replace(cobras, one, "{{ownFlags .LocalFlags}}{{with notifyFlags .LocalFlags}}\n\n"+
		"Who is told (docs/notifications.md):\n{{.}}{{end}}", 1)
}

// openNotifier checks where the outcome goes, once.
func (a *app) openNotifier() error {
	if a.notifier != nil {
		return nil
	}
	o := a.notify
	o.Getenv, o.Agent, o.JobUID, o.PodUID = os.Getenv, "shiplock/"+version(), os.Getenv("SHIPLOCK_JOB_UID"), os.Getenv("SHIPLOCK_POD_UID")
	o.Told = func(where string) { a.logAnyhow().Debug("told", "to", where) }
	if err := o.CheckEvent(); err != nil {
		o.KubernetesEvent = false
		a.logAnyhow().Warn("there will be no Kubernetes Event", "error", err)
	}
	n, err := notify.Open(o)
	a.notifier = n
	if missing := config.Required(os.Getenv); missing != nil {
		return missing // what follows from that is of less use
	}
	var wrong *notify.OptionError
	if errors.As(err, &wrong) {
		return &config.UsageError{Problem: wrong.Problem}
	}
	return err
}

// logAnyhow is the log, also where its options are wrong.
func (a *app) logAnyhow() *slog.Logger {
	if log, err := a.logger(); err == nil {
		return log
	}
	return slog.New(slog.NewTextHandler(a.stderr, nil))
}

// hide keeps secrets out of what is shown.
func (a *app) hide(s string) string {
	if s = a.redact(s); a.notifier != nil {
		s = a.notifier.Redact(s)
	}
	return s
}

// finish tells how a verb has ended, here first and then to everybody else, and
// returns the exit code.
func (a *app) finish(ctx context.Context, cmd *cobra.Command, err error) int {
	notifies := cmd.Flags().Lookup("notify-timeout") != nil
	if notifies && a.notifier == nil { // it has not come as far as that
		_ = fromEnvironment(cmd.Flags(), os.Getenv)
		_ = a.openNotifier()
	}
	if err == nil && a.ending == nil {
		return report.ExitOK // a verb that only shows something, or its help
	}
	m := a.message(cmd.Name(), err)
	saidErr := a.say(m, err, notifies)
	if notifies {
		for _, err := range a.notifier.Deliver(ctx, m) {
			a.logAnyhow().Warn("could not be told", "error", err)
		}
	}
	if saidErr != nil && err != nil {
		return max(m.ExitCode, report.ExitInternal)
	}
	return m.ExitCode
}

// say is what standard error gets: the card, or the two lines of a success that is
// to be told.
func (a *app) say(m notify.Message, err error, notifies bool) error {
	told := err != nil || notifies && a.notify.Success && m.Changed
	if !told {
		return nil
	}
	said := a.write(m, err)
	if a.github != nil {
		said = errors.Join(said, a.github.Annotate(m, a.settings.Source))
	}
	return said
}

func (a *app) write(m notify.Message, err error) error {
	if log, logErr := a.logger(); logErr == nil && a.settings.LogFormat == "json" {
		return logCard(log, m)
	}
	if err == nil {
		_, werr := io.WriteString(a.stderr, m.Card)
		return werr
	}
	return report.Card{Code: m.ExitCode, Title: m.Title, Rows: m.Rows}.Write(a.stderr, a.colour)
}

// logCard is the card as one record, its rows as fields.
func logCard(log *slog.Logger, m notify.Message) error {
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

// ending is what a verb that has succeeded says of itself.
type ending struct {
	report.Done
	title   string // instead of report.Success's first line
	changed bool
	numbers bool // From and To are known, and, with applied, what was run
	applied bool
	pending bool // nothing is
}

// message is what goes out of a run that has ended with err.
func (a *app) message(verb string, err error) notify.Message {
	id, now := identity(), time.Now()
	m := notify.Message{
		Schema: notify.SchemaVersion, ID: notify.NewID(), Verb: verb, Rows: []report.Row{},
		Release: id.Release, Revision: id.Revision, Namespace: id.Namespace, Pod: id.Pod, Job: os.Getenv("SHIPLOCK_JOB"),
		Database: a.database, Started: a.started.UTC(), Ended: now.UTC(), Seconds: now.Sub(a.started).Round(time.Millisecond).Seconds(), Migrator: version(),
	}
	if err != nil {
		a.failed(&m, verb, err)
	} else {
		a.succeeded(&m, verb, now)
	}
	m.Outcome = notify.Outcome(m.ExitCode)
	return m
}

func (a *app) failed(m *notify.Message, verb string, err error) {
	card := report.Diagnose(err, a.surroundings(verb), a.hide)
	m.ExitCode, m.Title, m.Rows, m.Card = card.Code, card.Title, card.Rows, card.String()
	m.Place = placeOf(err)
	var run *engine.RunError
	if !errors.As(err, &run) {
		return
	}
	at, left := run.At(), len(run.Plan.Steps)-run.Applied
	m.VersionFrom, m.VersionTo, m.Applied, m.Changed = &run.Plan.From, &at, &run.Applied, run.Applied > 0
	if verb == "up" {
		m.Pending = &left
	}
}

// placeOf is the place of a mistake in a file.
func placeOf(err error) *notify.Place {
	var (
		migration *postgres.MigrationError
		script    *postgres.ScriptError
	)
	switch {
	case errors.As(err, &script) && script.File != "":
		return &notify.Place{File: script.File, Line: script.Line}
	case errors.As(err, &migration):
		line, column := migration.Position()
		return &notify.Place{File: migration.File, Line: line, Column: column}
	}
	return nil
}

func (a *app) succeeded(m *notify.Message, verb string, now time.Time) {
	e := a.ending
	e.Took = now.Sub(a.started)
	m.Card = a.hide(report.Success(e.Done, a.surroundings(verb)))
	if _, where, ok := strings.Cut(m.Card, "\n"); ok && e.title != "" {
		m.Card = "shiplock: " + a.hide(e.title) + "\n" + where
	}
	first, _, _ := strings.Cut(m.Card, "\n")
	m.Title, m.Changed = strings.TrimPrefix(first, "shiplock: "), e.changed
	none := 0
	if e.numbers {
		m.VersionTo = &e.To
	}
	if e.applied {
		m.VersionFrom, m.Applied = &e.From, &e.Applied
	}
	if e.pending {
		m.Pending = &none
	}
}

// ended takes note of what up or down have done.
func (a *app) ended(r engine.Result) {
	a.ending = &ending{Done: report.Done{From: r.From, To: r.To, Applied: r.Applied, Newer: r.Newer}, changed: r.Applied > 0, numbers: true, applied: true}
}

// notifyVariables are those that say where the outcome goes. A tool that calls
// migrator up itself would else tell of it twice.
func notifyVariables() []string {
	var names []string
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&app{}).notifyFlags(fs)
	fs.VisitAll(func(f *pflag.Flag) { names = append(names, variables(f.Name)...) })
	return names
}
