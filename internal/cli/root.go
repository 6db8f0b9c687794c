// Package cli is the command line: one file a verb, and the settings they share.
// A flag beats its environment variable, which beats the default.
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
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/source"
)

// app is one call of the program.
type app struct {
	settings config.Settings
	stdout   io.Writer
	stderr   io.Writer
	color    bool // standard error is shown in colours
	redactor func(string) string
	user     string // of the database, once it is known
	database string // user@host:port/name, once it is known
	started  time.Time
	summary  *summary // of a verb that has succeeded in what its end is told of
	notify   notify.Options
	notifier *notify.Notifier
	github   *notify.GitHub     // nil elsewhere
	terminal *progress.Terminal // once there is to be a bar on it
}

// Run parses args, runs the verb and returns the exit code. Results go to stdout,
// the log and the card to stderr.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{stdout: stdout, stderr: stderr, redactor: config.SecretsFromArgs(args).RedactKnown, started: time.Now(), color: report.ColorEnabled(stderr, os.Getenv)}
	a.github = notify.NewGitHub(os.Getenv, stderr)
	if a.github != nil {
		a.stdout, a.stderr = a.github.Filter(stdout), a.github.Out()
		defer a.github.Close()
	}
	root := a.command()
	root.SetArgs(append([]string{}, args...)) // nil would mean os.Args
	cmd, err := root.ExecuteContextC(ctx)
	defer a.shutDownSidecar()
	return a.finish(ctx, cmd, err)
}

const long = `migrator applies an application's PostgreSQL migrations: each one once, whole or not at all.

Migrations are golang-migrate's: 0001_name.up.sql and 0001_name.down.sql, and the
version is kept in its table, schema_migrations.`

const exitCodes = `
Exit codes:
  0    the schema is where the files end (also: there was nothing to do)
  2    usage or configuration
  3    database not reachable in the time given, or lost (a retry may help)
  4    another migrator held the lock for the whole time given (a retry may help)
  5    refused: files and database disagree
  6    a migration failed; the schema is as it was before it
  7    a migration failed part-way; the message says what is done and what remains
  124  out of time (--timeout)
  128+n  stopped by signal n
`

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "migrator",
		Short:         "Apply PostgreSQL migrations, whole or not at all",
		Long:          long,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return &config.UsageError{Problem: "no verb given: migrator up applies what is pending"}
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			err := applyEnvironment(cmd.Flags(), os.Getenv)
			a.settings.TableGiven = cmd.Flags().Changed("table")
			a.settings.Migrates = cmd.Flags().Lookup("statement-timeout") != nil
			if a.settings.ConnectAttempts > 0 && !cmd.Flags().Changed("wait-for-db") {
				a.settings.WaitForDB = math.MaxInt64 // the number is the limit
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
		return &config.UsageError{Problem: fmt.Sprintf("%s (%s --help lists the flags)", problem, cmd.CommandPath())}
	})
	root.SetUsageTemplate(usageTemplate(root.UsageTemplate()))
	root.SetHelpTemplate(root.HelpTemplate() + exitCodes)
	root.AddCommand(a.up(), a.down(), a.status(), a.history(), a.rehearse(), a.plan(), a.wait(), a.exec(), a.repair(), a.baseline(), a.create(), a.install(), a.version())
	for _, sub := range root.Commands() {
		sub.Args = usageArgs(sub.Args)
	}
	root.Args = usageArgs(func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("unknown verb %q; there are: up, down, status, history, rehearse, plan, wait, exec, repair, baseline, create, install, version", args[0])
		}
		return nil
	})
	return root
}

// usageArgs gives wrong arguments the exit code of wrong usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			check = cobra.NoArgs
		}
		if err := check(cmd, args); err != nil {
			return &config.UsageError{Problem: fmt.Sprintf("%v (%s --help)", err, cmd.CommandPath())}
		}
		return nil
	}
}

// sourceFlag is all that create needs.
func (a *app) sourceFlag(fs *pflag.FlagSet) {
	fs.StringVar(&a.settings.Source, "source", config.DefaultSource, "folder with the migrations, or file://FOLDER ($SHIPLOCK_SOURCE)")
}

// databaseFlags are those of the verbs that compare files and database.
func (a *app) databaseFlags(fs *pflag.FlagSet) {
	a.filesFlags(fs)
	a.connectionFlags(fs)
	a.waitForDBFlag(fs)
}

func (a *app) filesFlags(fs *pflag.FlagSet) {
	a.sourceFlag(fs)
	fs.StringVar(&a.settings.UnrecognizedFiles, "unrecognized-files", string(source.FailUnrecognized), "what to do with .sql files whose names are no migration's: fail or ignore ($SHIPLOCK_UNRECOGNIZED_FILES)")
}

func (a *app) waitForDBFlag(fs *pflag.FlagSet) {
	fs.DurationVar(&a.settings.WaitForDB, "wait-for-db", config.DefaultWaitForDB, "how long to wait for a database that is not ready ($SHIPLOCK_WAIT_FOR_DB)")
	fs.IntVar(&a.settings.ConnectAttempts, "connect-attempts", 0,
		"give up after so many attempts to connect; without --wait-for-db time is then no limit ($SHIPLOCK_CONNECT_ATTEMPTS)")
	fs.DurationVar(&a.settings.ConnectDelay, "connect-delay", 0, "the pause between two attempts to connect, 0 for one that grows to a second ($SHIPLOCK_CONNECT_DELAY)")
}

// connectionFlags say which database, and how long and how loud. The settings that
// a verb has no flag for get their defaults.
func (a *app) connectionFlags(fs *pflag.FlagSet) {
	s := &a.settings
	fs.StringVar(&s.DatabaseURL, "database-url", "", "postgres://user:password@host:5432/database ($DATABASE_URL; else libpq's PGHOST, PGUSER, PGPASSWORD, PGPASSFILE …)")
	a.loginFlags(fs)
	fs.StringVar(&s.Table, "table", config.DefaultTable, "version table, name or schema.name, in double quotes where a name has a dot ($SHIPLOCK_TABLE)")
	fs.DurationVar(&s.Timeout, "timeout", 0, "end the whole run after this time, 0 for never ($SHIPLOCK_TIMEOUT)")
	fs.StringVar(&s.LogFormat, "log-format", "text", "text or json ($SHIPLOCK_LOG_FORMAT)")
	fs.StringVar(&s.LogLevel, "log-level", "info", "debug, info, warn or error ($SHIPLOCK_LOG_LEVEL)")
	a.progressFlag(fs)
	s.OnNewer, s.LockWait = string(plan.AllowNewer), config.DefaultLockWait
	s.OutOfOrder, s.OnEdited = string(plan.FailOutOfOrder), string(plan.FailEdited)
	if fs.Lookup("source") == nil {
		s.Source, s.UnrecognizedFiles = config.DefaultSource, string(source.FailUnrecognized)
	}
	s.TxMode = string(engine.TxModeFile)
}

func (a *app) lockFlags(fs *pflag.FlagSet) {
	a.sidecarFlag(fs)
	s := &a.settings
	fs.DurationVar(&s.LockWait, "lock-wait", config.DefaultLockWait, "how long to wait for another migrator ($SHIPLOCK_LOCK_WAIT)")
	fs.DurationVar(&s.LockTimeout, "lock-timeout", config.DefaultLockTimeout,
		"how long a statement may wait for a table before it makes way and is tried again, 0 for the server's setting ($SHIPLOCK_LOCK_TIMEOUT)")
	fs.DurationVar(&s.StatementTimeout, "statement-timeout", 0, "the most one statement may take, 0 for the server's setting ($SHIPLOCK_STATEMENT_TIMEOUT)")
}

// applyEnvironment sets each flag that was not given from its SHIPLOCK_ variable.
// An empty variable counts as not set, as it does for libpq.
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
				errs = append(errs, &config.UsageError{Problem: fmt.Sprintf("%s is %q; want %s, as for --%s: %s", name, value, expectedValue(f), f.Name, f.Usage)})
			}
			return
		}
	})
	return errors.Join(errs...)
}

// wanted says what a flag's type takes, which the errors of Go's parsers leave to the reader.
func expectedValue(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "uint":
		return "a whole number, 0 or more"
	case "int":
		return "a whole number"
	case "duration":
		return "a time with its unit, such as 30s or 5m"
	case "bool":
		return "true or false"
	}
	return "a " + f.Value.Type()
}

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

// options checks the settings and starts the clock of --timeout.
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
		log.Warn("the database URL has parameters that are ignored", "ignored", dsn.Ignored())
	}
	show := a.display(log)
	return ctx, func() { cancel(); show.Close() }, engine.Options{
		Source: s.Source, Unrecognized: source.Unrecognized(s.UnrecognizedFiles), Log: log, TxMode: engine.TxMode(s.TxMode), AllowDataLoss: s.AllowDataLoss,
		Policy: plan.Policy{OnNewer: plan.OnNewer(s.OnNewer), OutOfOrder: plan.OutOfOrder(s.OutOfOrder), OnEdited: plan.OnEdited(s.OnEdited), RequireDown: s.RequireDown},
		Postgres: postgres.Options{DSN: dsn, Role: s.Role, Table: s.Table, WaitForDB: s.WaitForDB,
			ConnectAttempts: s.ConnectAttempts, ConnectDelay: s.ConnectDelay, LockWait: s.LockWait,
			LockTimeout: s.LockTimeout, StatementTimeout: s.StatementTimeout, Log: log,
			Identity: identity(), Progress: show},
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

// surroundings are what a card says of where the program was called.
func (a *app) runInfo(verb string) report.Run {
	id := identity()
	return report.Run{Command: verb, Database: a.database, Role: cmp.Or(a.settings.Role, a.user), Mode: os.Getenv("SHIPLOCK_MODE"),
		Release: id.Release, Revision: id.Revision, Namespace: id.Namespace}
}

// identity is who we are to the journal, as far as the chart has told. A pod's
// host name is the pod's.
func identity() postgres.Identity {
	id := postgres.Identity{
		Release: os.Getenv("SHIPLOCK_RELEASE"), Revision: os.Getenv("SHIPLOCK_REVISION"), Namespace: os.Getenv("SHIPLOCK_NAMESPACE"),
	}
	if os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		id.Pod, _ = os.Hostname()
	}
	return id
}
