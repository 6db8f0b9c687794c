// Package cli implements the command line: one file per command, and the flags they share.
// A flag overrides its environment variable, which overrides the default.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/source"
)

// An app is one invocation of the program.
type app struct {
	settings config.Settings
	stdout   io.Writer
	stderr   io.Writer
	color    bool // whether standard error is written in color
	redactor func(string) string
	user     string // database user, once known
	database string // user@host:port/name, once known
	started  time.Time
	summary  *summary // result of a successful command that sends notifications
	notify   notify.Options
	notifier *notify.Notifier
	github   *notify.GitHub     // nil outside GitHub Actions
	terminal *progress.Terminal // nil without a progress bar
}

// Run parses args, runs the command, and returns the exit code. It writes results to
// stdout, and the log and the failure report to stderr.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{stdout: stdout, stderr: stderr, redactor: dsn.SecretsFromArgs(args).RedactKnown, started: time.Now(), color: report.ColorEnabled(stderr, os.Getenv)}
	a.github = notify.NewGitHub(os.Getenv, stderr)
	if a.github != nil {
		a.stdout, a.stderr = a.github.Filter(stdout), a.github.Out()
		defer a.github.Close()
	}
	root := a.command()
	root.SetArgs(append([]string{}, args...)) // cobra reads os.Args if the slice is nil
	cmd, err := root.ExecuteContextC(ctx)
	defer a.shutDownSidecar()
	return a.finish(ctx, cmd, err)
}

const long = `migrator runs an application's PostgreSQL schema migrations: each one once, and atomically.

Migration files are named as in golang-migrate: 0001_name.up.sql and 0001_name.down.sql.
The version is stored in golang-migrate's version table, schema_migrations.`

const exitCodes = `
Exit codes:
  0      schema is up to date (also: nothing to do)
  1      internal error
  2      usage or configuration error
  3      database not reachable in time, or connection lost (a retry may help)
  4      timed out waiting for another migrator's lock (a retry may help)
  5      refused: migration files conflict with the database
  6      a migration failed and was rolled back
  7      a migration was partially applied; the report lists what was applied and what remains
  124    timed out (--timeout)
  128+n  stopped by signal n (a retry may help)
`

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "migrator",
		Short:         "Run PostgreSQL schema migrations atomically",
		Long:          long,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return &config.UsageError{Problem: `no command specified (try "migrator up")`}
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			err := applyEnvironment(cmd.Flags(), os.Getenv)
			a.settings.TableGiven = cmd.Flags().Changed("table")
			a.settings.Migrates = cmd.Flags().Lookup("statement-timeout") != nil
			if a.settings.ConnectAttempts > 0 && !cmd.Flags().Changed("wait-for-db") {
				a.settings.WaitForDB = math.MaxInt64 // the number of attempts is the limit
			}
			return err
		},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		problem := err.Error()
		var invalid *pflag.InvalidValueError
		if errors.As(err, &invalid) {
			problem = fmt.Sprintf("--%s is %q; want %s", invalid.GetFlag().Name, invalid.GetValue(), expectedValue(invalid.GetFlag()))
		}
		return &config.UsageError{Problem: fmt.Sprintf("%s (run %s --help for a list of flags)", problem, cmd.CommandPath())}
	})
	root.SetUsageTemplate(usageTemplate(root.UsageTemplate()))
	root.SetHelpTemplate(root.HelpTemplate() + exitCodes)
	root.AddCommand(a.up(), a.down(), a.status(), a.history(), a.rehearse(), a.plan(), a.wait(), a.exec(), a.repair(), a.baseline(), a.create(), a.install(), a.version())
	for _, sub := range root.Commands() {
		sub.Args = usageArgs(sub.Args)
	}
	root.Args = usageArgs(func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("unknown command %q; available commands: up, down, status, history, rehearse, plan, wait, exec, repair, baseline, create, install, version", args[0])
		}
		return nil
	})
	return root
}

// usageArgs returns a check whose errors have the exit code of a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			check = cobra.NoArgs
		}
		if err := check(cmd, args); err != nil {
			return &config.UsageError{Problem: fmt.Sprintf("%v (run %s --help for usage)", err, cmd.CommandPath())}
		}
		return nil
	}
}

// sourceFlag adds --source, the only flag of create.
func (a *app) sourceFlag(fs *pflag.FlagSet) {
	fs.StringVar(&a.settings.Source, "source", config.DefaultSource, "directory with the migration files, as a path or a file:// URL ($SHIPLOCK_SOURCE)")
}

// databaseFlags adds the flags of the commands that compare the migration files with the database.
func (a *app) databaseFlags(fs *pflag.FlagSet) {
	a.filesFlags(fs)
	a.connectionFlags(fs)
	a.waitForDBFlag(fs)
}

func (a *app) filesFlags(fs *pflag.FlagSet) {
	a.sourceFlag(fs)
	fs.StringVar(&a.settings.UnrecognizedFiles, "unrecognized-files", string(source.FailUnrecognized), "how to handle .sql files with invalid names: fail or ignore ($SHIPLOCK_UNRECOGNIZED_FILES)")
}

func (a *app) waitForDBFlag(fs *pflag.FlagSet) {
	fs.DurationVar(&a.settings.WaitForDB, "wait-for-db", config.DefaultWaitForDB, "maximum time to wait for the database to accept connections ($SHIPLOCK_WAIT_FOR_DB)")
	fs.IntVar(&a.settings.ConnectAttempts, "connect-attempts", 0,
		"maximum number of connection attempts, which replaces the default of --wait-for-db; 0 for no maximum ($SHIPLOCK_CONNECT_ATTEMPTS)")
	fs.DurationVar(&a.settings.ConnectDelay, "connect-delay", 0, "time between connection attempts; 0 for a delay that increases to 1s ($SHIPLOCK_CONNECT_DELAY)")
}

// connectionFlags adds the flags for the connection, the timeout, and the log, and sets
// the defaults of settings for which the command has no flag.
func (a *app) connectionFlags(fs *pflag.FlagSet) {
	s := &a.settings
	fs.StringVar(&s.DatabaseURL, "database-url", "", "database URL, such as postgres://user:password@host:5432/database ($DATABASE_URL; if unset, libpq's PGHOST, PGUSER, PGPASSWORD, PGPASSFILE …)")
	a.loginFlags(fs)
	fs.StringVar(&s.Table, "table", config.DefaultTable, "version table, as name or schema.name; put a name that contains a dot in double quotes ($SHIPLOCK_TABLE)")
	fs.DurationVar(&s.Timeout, "timeout", 0, "maximum duration of the run; 0 for no limit ($SHIPLOCK_TIMEOUT)")
	fs.StringVar(&s.LogFormat, "log-format", "text", "log format: text or json ($SHIPLOCK_LOG_FORMAT)")
	fs.StringVar(&s.LogLevel, "log-level", "info", "log level: debug, info, warn, or error ($SHIPLOCK_LOG_LEVEL)")
	a.progressFlag(fs)
	s.OnNewer, s.LockWait = string(planner.AllowNewer), config.DefaultLockWait
	s.OutOfOrder, s.OnEdited = string(planner.FailOutOfOrder), string(planner.FailEdited)
	if fs.Lookup("source") == nil {
		s.Source, s.UnrecognizedFiles = config.DefaultSource, string(source.FailUnrecognized)
	}
	s.TxMode = string(engine.TxModeFile)
}

func (a *app) lockFlags(fs *pflag.FlagSet) {
	a.sidecarFlag(fs)
	s := &a.settings
	fs.DurationVar(&s.LockWait, "lock-wait", config.DefaultLockWait, "maximum time to wait for another migrator to finish ($SHIPLOCK_LOCK_WAIT)")
	fs.DurationVar(&s.LockTimeout, "lock-timeout", config.DefaultLockTimeout,
		"maximum time to wait for a table lock before rolling back and retrying; 0 for the server's setting ($SHIPLOCK_LOCK_TIMEOUT)")
	fs.DurationVar(&s.StatementTimeout, "statement-timeout", 0, "maximum duration of a statement; 0 for the server's setting ($SHIPLOCK_STATEMENT_TIMEOUT)")
}

// applyEnvironment sets each flag that is not on the command line from its SHIPLOCK_ variable.
// An empty variable counts as unset, as in libpq.
func applyEnvironment(fs *pflag.FlagSet, getenv func(string) string) error {
	var errs []error
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			return
		}
		for _, name := range envNames(f.Name) {
			value := getenv(name)
			if value == "" {
				continue
			}
			if err := fs.Set(f.Name, value); err != nil {
				errs = append(errs, &config.UsageError{Problem: fmt.Sprintf("%s is %q; want %s. --%s: %s", name, value, expectedValue(f), f.Name, f.Usage)})
			}
			return
		}
	})
	return errors.Join(errs...)
}

// expectedValue describes the values that a flag's type accepts. The errors of Go's parsers do not.
func expectedValue(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "uint":
		return "an integer, 0 or greater"
	case "int":
		return "an integer"
	case "duration":
		return "a duration with a unit, such as 30s or 5m"
	case "bool":
		return "true or false"
	}
	return "a " + f.Value.Type()
}

// envNames returns the environment variables of a flag, in order of precedence.
func envNames(flag string) []string {
	name := "SHIPLOCK_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
	switch flag {
	case "database-url":
		return []string{name, "DATABASE_URL"}
	case "help", "to", "to-files", "dry-run", "from", "version", "output", "statement-applied", "statement-not-applied", "applied", "rolled-back", "unverified":
		return nil
	}
	return []string{name}
}

// options validates the settings and starts the timer of --timeout.
func (a *app) options(ctx context.Context) (context.Context, context.CancelFunc, engine.Options, error) {
	if err := a.openTerminal(); err != nil {
		return nil, nil, engine.Options{}, err
	}
	log, err := a.logger()
	if err != nil {
		return nil, nil, engine.Options{}, err
	}
	if err := a.openNotifier(); err != nil {
		return nil, nil, engine.Options{}, err
	}
	s := &a.settings
	if err := checkSidecarShutdownURL(s.SidecarShutdownURL); err != nil {
		return nil, nil, engine.Options{}, err
	}
	cancel := func() {}
	if s.Timeout > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, s.Timeout, &engine.TimeoutError{Limit: s.Timeout})
	}
	dsn, err := a.dsn(ctx, log)
	if err != nil {
		cancel()
		return nil, nil, engine.Options{}, err
	}
	a.redactor, a.database, a.user = dsn.Redact, dsn.String(), dsn.User()
	if len(dsn.Ignored()) > 0 {
		log.Warn("ignoring database URL parameters", "parameters", dsn.Ignored())
	}
	display := a.display(log)
	return ctx, func() { cancel(); display.Close() }, engine.Options{
		Source: s.Source, Unrecognized: source.Unrecognized(s.UnrecognizedFiles), Log: log, TxMode: engine.TxMode(s.TxMode), AllowDataLoss: s.AllowDataLoss,
		Policy: planner.Policy{OnNewer: planner.OnNewer(s.OnNewer), OutOfOrder: planner.OutOfOrder(s.OutOfOrder), OnEdited: planner.OnEdited(s.OnEdited), RequireDown: s.RequireDown},
		Postgres: postgres.Options{DSN: dsn, Role: s.Role, Table: s.Table, WaitForDB: s.WaitForDB,
			ConnectAttempts: s.ConnectAttempts, ConnectDelay: s.ConnectDelay, LockWait: s.LockWait,
			LockTimeout: s.LockTimeout, StatementTimeout: s.StatementTimeout, Log: log,
			Identity: identity(), Progress: display},
	}, nil
}

func (a *app) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.settings.LogLevel)); err != nil {
		return nil, &config.UsageError{Problem: fmt.Sprintf("--log-level is %q; want debug, info, warn or error", a.settings.LogLevel)}
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: a.redactAttr}
	var h slog.Handler
	switch a.settings.LogFormat {
	case "text":
		h = slog.NewTextHandler(a.stderr, opts)
	case "json":
		h = slog.NewJSONHandler(a.stderr, opts)
	}
	switch {
	case h != nil && a.github != nil:
		return slog.New(a.github.Handler(h, a.settings.Source)), nil
	case h != nil:
		return slog.New(h), nil
	}
	return nil, &config.UsageError{Problem: fmt.Sprintf("--log-format is %q; want text or json", a.settings.LogFormat)}
}

// runInfo returns what a failure report states about the run.
func (a *app) runInfo(command string) report.Run {
	id := identity()
	return report.Run{Command: command, Database: a.database, Role: cmp.Or(a.settings.Role, a.user), Mode: os.Getenv("SHIPLOCK_MODE"),
		Release: id.Release, Revision: id.Revision, Namespace: id.Namespace}
}

// identity returns the release, revision, and namespace that the chart sets, and the pod's
// name, which is its host name. The history table stores them with each run.
func identity() postgres.Identity {
	id := postgres.Identity{
		Release: os.Getenv("SHIPLOCK_RELEASE"), Revision: os.Getenv("SHIPLOCK_REVISION"), Namespace: os.Getenv("SHIPLOCK_NAMESPACE"),
	}
	if os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		id.Pod, _ = os.Hostname()
	}
	return id
}
