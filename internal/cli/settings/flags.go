package settings

import (
	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/cli/console"
	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/cli/sidecar"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
)

// durationExample is in the error of an invalid duration.
const durationExample = "90s or 5m"

// SourceFlag adds --source, the only flag of create.
func (s *Settings) SourceFlag(fs *pflag.FlagSet) {
	flags.WithEnv(fs).StringVar(&s.Source, "source", "directory with the migration files, as a path or a file:// URL")
}

// FilesFlags adds the flags of the commands that read the migration files.
func (s *Settings) FilesFlags(fs *pflag.FlagSet) {
	s.SourceFlag(fs)
	flags.WithEnv(fs).Var(flags.Choice(&s.UnrecognizedFiles, source.FailUnrecognized, source.IgnoreUnrecognized),
		"unrecognized-files", "how to handle .sql files with invalid names: fail or ignore")
}

// DatabaseFlags adds the flags of the commands that compare the migration files with the database.
func (s *Settings) DatabaseFlags(fs *pflag.FlagSet) {
	s.FilesFlags(fs)
	s.ConnectionFlags(fs)
	s.WaitForDBFlags(fs)
}

// ConnectionFlags adds the flags for the connection, the timeout, and the log.
func (s *Settings) ConnectionFlags(fs *pflag.FlagSet) {
	env := flags.WithEnv(fs)
	fs.StringVar(&s.DatabaseURL, "database-url", "", "database URL, such as postgres://user:password@host:5432/database ($DATABASE_URL; if unset, libpq's PGHOST, PGUSER, PGPASSWORD, PGPASSFILE …)")
	flags.SetVariables(fs.Lookup("database-url"), "SHIPLOCK_DATABASE_URL", "DATABASE_URL")
	s.loginFlags(fs)
	env.StringVar(&s.Table, "table", "version table, as name or schema.name; put a name that contains a dot in double quotes")
	env.Var(flags.Duration(&s.Timeout, durationExample), "timeout", "maximum duration of the run; 0 for no limit")
	env.Var(flags.Choice(&s.Console.LogFormat, console.LogText, console.LogJSON), "log-format", "log format: text or json")
	env.Var(flags.Level(&s.Console.LogLevel), "log-level", "log level: debug, info, warn, or error")
	env.Var(flags.Choice(&s.Console.Progress, console.ProgressAuto, console.ProgressBar, console.ProgressLog, console.ProgressNone),
		"progress", "progress output: bar, log, none, or auto (bar on a terminal, otherwise log)")
}

// loginFlags adds the flags for the role, and for a password that is read again for each connection.
func (s *Settings) loginFlags(fs *pflag.FlagSet) {
	env := flags.WithEnv(fs)
	env.StringVar(&s.DatabaseURLFile, "database-url-file", "file that contains only the database URL; user and password are read again for each connection")
	env.StringVar(&s.PasswordFile, "password-file", "file that contains only the password, read again for each connection")
	env.StringVar(&s.PasswordCommand, "password-command", "command that prints the password, such as a cloud token; run for each connection, without a shell")
	env.StringVar(&s.Role, "role", "role to run migrations as (SET ROLE), which owns the objects they create")
}

func (s *Settings) WaitForDBFlags(fs *pflag.FlagSet) {
	env := flags.WithEnv(fs)
	env.Var(flags.Duration(&s.WaitForDB, durationExample), "wait-for-db", "maximum time to wait for the database to accept connections")
	env.Var(flags.Count(&s.ConnectAttempts, "1 or more, or 0 for no limit within --wait-for-db"),
		"connect-attempts", "maximum number of connection attempts, which replaces the default of --wait-for-db; 0 for no maximum")
	env.Var(flags.Duration(&s.ConnectDelay, durationExample), "connect-delay", "time between connection attempts; 0 for a delay that increases to 1s")
}

// LockFlags adds the flags of the commands that run migrations under the lock.
func (s *Settings) LockFlags(fs *pflag.FlagSet) {
	env := flags.WithEnv(fs)
	s.SidecarFlag(fs)
	s.LockWaitFlag(fs, "maximum time to wait for another migrator to finish")
	env.Var(flags.Duration(&s.LockTimeout, durationExample), "lock-timeout",
		"maximum time to wait for a table lock before rolling back and retrying; 0 for the server's setting")
	env.Var(flags.Duration(&s.StatementTimeout, durationExample), "statement-timeout", "maximum duration of a statement; 0 for the server's setting")
}

func (s *Settings) LockWaitFlag(fs *pflag.FlagSet, usage string) {
	flags.WithEnv(fs).Var(flags.Duration(&s.LockWait, durationExample), "lock-wait", usage)
}

func (s *Settings) SidecarFlag(fs *pflag.FlagSet) {
	flags.WithEnv(fs).Var(flags.Checked(&s.SidecarShutdownURL, "a URL such as "+sidecar.ExampleURL, sidecar.ValidURL),
		"sidecar-shutdown-url", "URL to POST to when the run ends, to shut down a service mesh sidecar, such as "+sidecar.ExampleURL)
}

// PolicyFlags adds the flags that determine which migrations may run.
func (s *Settings) PolicyFlags(fs *pflag.FlagSet) {
	env := flags.WithEnv(fs)
	s.OnNewerFlag(fs, "action when the database is ahead of the migration files: allow, fail, or down (roll back)")
	s.DataLossFlag(fs)
	env.Var(flags.Choice(&s.TxMode, migrator.TxModeFile, migrator.TxModeAll),
		"tx-mode", "transaction scope: file (one transaction per migration) or all (one for all pending migrations)")
	env.Var(flags.Choice(&s.Policy.OutOfOrder, planner.FailOutOfOrder, planner.ApplyOutOfOrder),
		"out-of-order", "action when a pending migration is below the database version: fail or apply")
	s.OnEditedFlag(fs, "action when the file of an applied migration has changed: fail or allow")
	env.BoolVar(&s.Policy.RequireDown, "require-down", "refuse migrations without a down file instead of logging a warning")
}

func (s *Settings) OnNewerFlag(fs *pflag.FlagSet, usage string) {
	flags.WithEnv(fs).Var(flags.Choice(&s.Policy.OnNewer, planner.AllowNewer, planner.FailNewer, planner.DownNewer), "on-newer", usage)
}

func (s *Settings) OnEditedFlag(fs *pflag.FlagSet, usage string) {
	flags.WithEnv(fs).Var(flags.Choice(&s.Policy.OnEdited, planner.FailEdited, planner.AllowEdited), "on-edited", usage)
}

func (s *Settings) DataLossFlag(fs *pflag.FlagSet) {
	flags.WithEnv(fs).BoolVar(&s.AllowDataLoss, "allow-data-loss", "allow rollbacks that drop tables or columns containing data, or delete rows")
}

// NotifyGroup is the title of the flags of notifications in the help.
const NotifyGroup = "Notification options"

// NotifyFlags adds the flags of the commands that send notifications: those that change the
// database, and wait, whose failure also stops a release.
func (s *Settings) NotifyFlags(fs *pflag.FlagSet) {
	o, env := &s.Notify, flags.WithEnv(fs).InGroup(NotifyGroup)
	env.StringVar(&o.WebhookURL, "webhook-url", "webhook URL to POST the outcome to; prefer the environment variable, because flag values are visible in ps")
	env.StringVar(&o.WebhookURLFile, "webhook-url-file", "file that contains only the webhook URL")
	env.StringVar(&o.WebhookToken, "webhook-token", "bearer token for the webhook; prefer the environment variable")
	env.StringVar(&o.WebhookFormat, "webhook-format", "webhook payload: json, slack, or template; by default template if --webhook-template is set, otherwise json")
	env.StringVar(&o.WebhookTemplate, "webhook-template", "file with a Go template for the webhook payload")
	env.BoolVar(&o.KubernetesEvent, "kubernetes-event", "emit a Kubernetes Event on the migrator's Job or pod")
	env.StringVar(&o.TerminationLog, "termination-log", "file to write the failure report to, in a pod /dev/termination-log")
	env.BoolVar(&o.Success, "notify-success", "also notify on success if the schema changed")
	env.DurationVar(&o.Timeout, "notify-timeout", "maximum total time for all notifications")
}

// RunNotifyFlags adds the flags of NotifyFlags, and that of the metrics, which only the commands that
// run migrations push.
func (s *Settings) RunNotifyFlags(fs *pflag.FlagSet) {
	s.NotifyFlags(fs)
	flags.WithEnv(fs).InGroup(NotifyGroup).StringVar(&s.Notify.PushgatewayURL, "pushgateway-url", "Prometheus Pushgateway to push metrics to, such as http://pushgateway:9091")
}
