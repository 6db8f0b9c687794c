package cli

import (
	"log/slog"
	"math"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/cli/console"
	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/cli/sidecar"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
)

// settings are the values of the flags that several commands have. A command without the
// flag uses the default. Flags of one command are variables of that command.
type settings struct {
	config.Settings
	timeout            time.Duration
	lockWait           time.Duration
	lockTimeout        time.Duration
	connectAttempts    int
	connectDelay       time.Duration
	policy             planner.Policy
	txMode             engine.TxMode
	allowDataLoss      bool
	unrecognizedFiles  source.Unrecognized
	sidecarShutdownURL string
	console            console.Options
	notify             notify.Options
}

// defaultSettings returns the default of each flag whose default is not its zero value.
func defaultSettings() settings {
	return settings{
		Settings: config.Settings{Source: config.DefaultSource, Table: config.DefaultTable, WaitForDB: config.DefaultWaitForDB},
		lockWait: config.DefaultLockWait, lockTimeout: config.DefaultLockTimeout,
		policy: planner.Policy{OnNewer: planner.AllowNewer, OutOfOrder: planner.FailOutOfOrder, OnEdited: planner.FailEdited},
		txMode: engine.TxModeFile, unrecognizedFiles: source.FailUnrecognized,
		console: console.Options{Progress: console.ProgressAuto, LogFormat: console.LogText, LogLevel: slog.LevelInfo},
		notify:  notify.Options{Timeout: notify.DefaultTimeout},
	}
}

// complete sets the settings that follow from which flags the command has, and which are set.
func (s *settings) complete(cmd *cobra.Command) {
	s.TableGiven = cmd.Flags().Changed("table")
	s.Migrates = cmd.Flags().Lookup("statement-timeout") != nil
	s.Tool = runsTool(cmd)
	if s.connectAttempts > 0 && !cmd.Flags().Changed("wait-for-db") {
		s.WaitForDB = math.MaxInt64 // the number of attempts is the limit
	}
}

// Flags of several commands. Add a flag of one command in the command's file. Each has an
// environment variable if it is added to flags.WithEnv(fs).

// durationExample is in the error of an invalid duration.
const durationExample = "90s or 5m"

// sourceFlag adds --source, the only flag of create.
func (a *app) sourceFlag(fs *pflag.FlagSet) {
	flags.WithEnv(fs).StringVar(&a.settings.Source, "source", "directory with the migration files, as a path or a file:// URL")
}

// filesFlags adds the flags of the commands that read the migration files.
func (a *app) filesFlags(fs *pflag.FlagSet) {
	a.sourceFlag(fs)
	flags.WithEnv(fs).Var(flags.Choice(&a.settings.unrecognizedFiles, source.FailUnrecognized, source.IgnoreUnrecognized),
		"unrecognized-files", "how to handle .sql files with invalid names: fail or ignore")
}

// databaseFlags adds the flags of the commands that compare the migration files with the database.
func (a *app) databaseFlags(fs *pflag.FlagSet) {
	a.filesFlags(fs)
	a.connectionFlags(fs)
	a.waitForDBFlags(fs)
}

// connectionFlags adds the flags for the connection, the timeout, and the log.
func (a *app) connectionFlags(fs *pflag.FlagSet) {
	s, env := &a.settings, flags.WithEnv(fs)
	fs.StringVar(&s.DatabaseURL, "database-url", "", "database URL, such as postgres://user:password@host:5432/database ($DATABASE_URL; if unset, libpq's PGHOST, PGUSER, PGPASSWORD, PGPASSFILE …)")
	flags.SetVariables(fs.Lookup("database-url"), "SHIPLOCK_DATABASE_URL", "DATABASE_URL")
	a.loginFlags(fs)
	env.StringVar(&s.Table, "table", "version table, as name or schema.name; put a name that contains a dot in double quotes")
	env.Var(flags.Duration(&s.timeout, durationExample), "timeout", "maximum duration of the run; 0 for no limit")
	env.Var(flags.Choice(&s.console.LogFormat, console.LogText, console.LogJSON), "log-format", "log format: text or json")
	env.Var(flags.Level(&s.console.LogLevel), "log-level", "log level: debug, info, warn, or error")
	env.Var(flags.Choice(&s.console.Progress, console.ProgressAuto, console.ProgressBar, console.ProgressLog, console.ProgressNone),
		"progress", "progress output: bar, log, none, or auto (bar on a terminal, otherwise log)")
}

// loginFlags adds the flags for the role, and for a password that is read again for each connection.
func (a *app) loginFlags(fs *pflag.FlagSet) {
	s, env := &a.settings, flags.WithEnv(fs)
	env.StringVar(&s.DatabaseURLFile, "database-url-file", "file that contains only the database URL; user and password are read again for each connection")
	env.StringVar(&s.PasswordFile, "password-file", "file that contains only the password, read again for each connection")
	env.StringVar(&s.PasswordCommand, "password-command", "command that prints the password, such as a cloud token; run for each connection, without a shell")
	env.StringVar(&s.Role, "role", "role to run migrations as (SET ROLE), which owns the objects they create")
}

func (a *app) waitForDBFlags(fs *pflag.FlagSet) {
	s, env := &a.settings, flags.WithEnv(fs)
	env.Var(flags.Duration(&s.WaitForDB, durationExample), "wait-for-db", "maximum time to wait for the database to accept connections")
	env.Var(flags.Count(&s.connectAttempts, "1 or more, or 0 for no limit within --wait-for-db"),
		"connect-attempts", "maximum number of connection attempts, which replaces the default of --wait-for-db; 0 for no maximum")
	env.Var(flags.Duration(&s.connectDelay, durationExample), "connect-delay", "time between connection attempts; 0 for a delay that increases to 1s")
}

// lockFlags adds the flags of the commands that run migrations under the lock.
func (a *app) lockFlags(fs *pflag.FlagSet) {
	s, env := &a.settings, flags.WithEnv(fs)
	a.sidecarFlag(fs)
	a.lockWaitFlag(fs, "maximum time to wait for another migrator to finish")
	env.Var(flags.Duration(&s.lockTimeout, durationExample), "lock-timeout",
		"maximum time to wait for a table lock before rolling back and retrying; 0 for the server's setting")
	env.Var(flags.Duration(&s.StatementTimeout, durationExample), "statement-timeout", "maximum duration of a statement; 0 for the server's setting")
}

func (a *app) lockWaitFlag(fs *pflag.FlagSet, usage string) {
	flags.WithEnv(fs).Var(flags.Duration(&a.settings.lockWait, durationExample), "lock-wait", usage)
}

func (a *app) sidecarFlag(fs *pflag.FlagSet) {
	flags.WithEnv(fs).Var(flags.Checked(&a.settings.sidecarShutdownURL, "a URL such as "+sidecar.ExampleURL, sidecar.ValidURL),
		"sidecar-shutdown-url", "URL to POST to when the run ends, to shut down a service mesh sidecar, such as "+sidecar.ExampleURL)
}

// policyFlags adds the flags that determine which migrations may run.
func (a *app) policyFlags(fs *pflag.FlagSet) {
	s, env := &a.settings, flags.WithEnv(fs)
	a.onNewerFlag(fs, "action when the database is ahead of the migration files: allow, fail, or down (roll back)")
	a.dataLossFlag(fs)
	env.Var(flags.Choice(&s.txMode, engine.TxModeFile, engine.TxModeAll),
		"tx-mode", "transaction scope: file (one transaction per migration) or all (one for all pending migrations)")
	env.Var(flags.Choice(&s.policy.OutOfOrder, planner.FailOutOfOrder, planner.ApplyOutOfOrder),
		"out-of-order", "action when a pending migration is below the database version: fail or apply")
	a.onEditedFlag(fs, "action when the file of an applied migration has changed: fail or allow")
	env.BoolVar(&s.policy.RequireDown, "require-down", "refuse migrations without a down file instead of logging a warning")
}

func (a *app) onNewerFlag(fs *pflag.FlagSet, usage string) {
	flags.WithEnv(fs).Var(flags.Choice(&a.settings.policy.OnNewer, planner.AllowNewer, planner.FailNewer, planner.DownNewer), "on-newer", usage)
}

func (a *app) onEditedFlag(fs *pflag.FlagSet, usage string) {
	flags.WithEnv(fs).Var(flags.Choice(&a.settings.policy.OnEdited, planner.FailEdited, planner.AllowEdited), "on-edited", usage)
}

func (a *app) dataLossFlag(fs *pflag.FlagSet) {
	flags.WithEnv(fs).BoolVar(&a.settings.allowDataLoss, "allow-data-loss", "allow rollbacks that drop tables or columns containing data, or delete rows")
}
