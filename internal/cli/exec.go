package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/lib/pq"
	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/cli/outcome"
	"github.com/shiplock/shiplock/internal/cli/process"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/config/credentials"
	"github.com/shiplock/shiplock/internal/exectool"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/subprocess"
)

// defaultGrace is well below the default termination grace period of a pod, 30 seconds.
const defaultGrace = 5 * time.Second

// defaultSessionGrace, together with the schema comparison, also fits into these 30 seconds.
const defaultSessionGrace = 10 * time.Second

// execFlags holds the flags that only exec has.
type execFlags struct {
	grace, sessionGrace time.Duration
	onStaleLock         exectool.OnStaleLock
	onNewer             planner.OnNewer
	version             string
}

func (a *app) exec() *cobra.Command {
	f := execFlags{grace: defaultGrace, sessionGrace: defaultSessionGrace, onStaleLock: exectool.FailOnStaleLock, onNewer: planner.AllowNewer}
	cmd := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run another migration tool under a lock and a timeout",
		Long: `Run another migration tool under Shiplock's lock and timeout, forward signals to it, and compare the
schema before and after the run. exec waits for the database, prevents concurrent runs, and
terminates the tool on a timeout or if the lock is lost.

The tool inherits standard input and the environment, without the notification settings. Its output
is passed through, with two exceptions: the database password is replaced by xxxxx, and a line that
resembles Shiplock's own output is prefixed with "| ", or marked with "from":"tool" in a JSON log.
The tool needs its own credentials: --password-command and the other connection flags apply to
Shiplock's connections only.

A statement can continue on the server after the tool has exited. exec holds the lock until the
tool's sessions have ended. It cancels the sessions that certainly belong to the tool. For sessions
that may belong to it, exec waits up to --session-grace, and lists those that remain in the failure
report (exit code 7). To identify sessions, exec sets PGAPPNAME for the tool if unset, and
client_connection_check_interval in PGOPTIONS unless PGOPTIONS is set and empty.

With --tool-version, exec recognizes a database that a newer version has migrated, for example after
a rollback of the release. A tool that fails there without changes does not fail the run, unless
--on-newer is fail.

If the tool fails, the exit code is 6 if the schema is unchanged and 7 if it has changed; the
failure report contains the tool's own exit code. Each run is recorded in the history table
schema_migrations_exec_history. exec and up use different locks, so the tool can run migrator up.`,
		Example: `  migrator exec -- npm run migrate
  migrator exec --timeout 10m -- alembic upgrade head
  migrator exec -- sh -c 'flyway migrate && flyway validate'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("exec requires a command; run, for example: migrator exec -- npm run migrate")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.runExec(cmd, f, args) },
	}
	fs := cmd.Flags()
	fs.SetInterspersed(false) // flags after the command belong to the command
	a.settings.ConnectionFlags(fs)
	a.settings.WaitForDBFlags(fs)
	a.settings.SidecarFlag(fs)
	a.settings.RunNotifyFlags(fs)
	a.settings.LockWaitFlag(fs, "maximum time to wait for another exec to finish")
	env := flags.WithEnv(fs)
	env.Var(flags.Duration(&f.grace, "10s"), "grace", "maximum time for the tool to exit after a signal before it is killed")
	env.Var(flags.Duration(&f.sessionGrace, "10s"), "session-grace",
		"maximum time to wait for database sessions that outlive the tool before reporting them")
	env.Var(flags.Choice(&f.onStaleLock, exectool.FailOnStaleLock, exectool.ReleaseOnStaleLock),
		"on-stale-lock", "action when an earlier run has left the tool's own lock (Liquibase, Knex): fail or release")
	env.StringVar(&f.version, "tool-version", "version of the tool's migrations, such as the tag of its image, to recognize a database that a newer version has migrated")
	env.Var(flags.Choice(&f.onNewer, planner.AllowNewer, planner.FailNewer),
		"on-newer", "action when a newer --tool-version has migrated the database: allow (the tool may fail without changes) or fail")
	return cmd
}

func (a *app) runExec(cmd *cobra.Command, f execFlags, args []string) error {
	path, err := process.Find(args[0])
	if err != nil {
		return err
	}
	if err := a.rejectRole(); err != nil {
		return err
	}
	if f.onNewer == planner.FailNewer && f.version == "" {
		return &config.UsageError{Problem: "--on-newer fail requires --tool-version: without it, a newer version is not recognized"}
	}
	return a.withOptions(cmd, func(ctx context.Context, o migrator.Options) error {
		stdout, stderr := a.console.ToolOutput()
		tool := exectool.Tool{
			Command: subprocess.Command{
				Path: path, Args: args, Env: toolEnvironment(cmd), Stdin: os.Stdin, Grace: f.grace,
				Stdout: o.Postgres.DSN.NewMaskingWriter(stdout), Stderr: o.Postgres.DSN.NewMaskingWriter(stderr),
			},
			Line: a.redactedLine(args), SessionGrace: f.sessionGrace, OnStaleLock: f.onStaleLock, Version: f.version, OnNewer: f.onNewer,
			Progress: a.console.ToolProgress(o.Postgres.Progress, os.Stdin),
		}
		result, err := exectool.Run(ctx, o.Postgres, tool)
		if err != nil {
			return err
		}
		// Rows are not compared, so every successful run counts as a change.
		a.summary = &outcome.Summary{Result: report.Result{ToolCommand: tool.Line, Changes: len(result.Changes), ChangesUnknown: !result.SchemaCompared}, Changed: true}
		if result.Allowed != nil {
			a.summary.Changed = false
			a.summary.Title = fmt.Sprintf("%s failed (exit code %d), as allowed: version %s has already migrated the database", tool.Line, result.Exit.Code, result.Allowed.Version)
		}
		logExec(o.Log, result)
		return nil
	})
}

// redactedLine returns the tool's command without secrets, and adds those of its environment
// to the redactor.
func (a *app) redactedLine(args []string) string {
	secrets := credentials.SecretsFromEnv(os.Environ())
	line := a.redactor.Redact(process.Line(secrets.RedactArgs(args)))
	a.redactor.AddEnvironment(secrets)
	return line
}

func logExec(log *slog.Logger, result exectool.ToolResult) {
	attrs := []any{"took", result.Took.Round(10 * time.Millisecond)}
	if result.SchemaCompared {
		attrs = append(attrs, "schema_changes", len(result.Changes))
	}
	if newer := result.Allowed; newer != nil {
		log.Warn("external tool failed without changes on a newer database, allowed", append(attrs, "exit_code", result.Exit.Code, "newer_version", newer.Version, "newer_started", newer.Started)...)
		return
	}
	log.Info("external tool succeeded", attrs...)
	for _, change := range result.Changes {
		log.Debug("schema changed", "change", change)
	}
}

// rejectRole returns an error if --role is set: the role would apply to the sessions of exec, not to
// those of the tool.
func (a *app) rejectRole() error {
	role := a.settings.Role
	if role == "" {
		return nil
	}
	return &config.UsageError{Problem: fmt.Sprintf(`exec cannot set the role of an external tool (--role, SHIPLOCK_ROLE is %q), because the tool opens its own sessions. `+
		`Remove the setting, and run on the server: ALTER ROLE its_user IN DATABASE its_database SET role = %s; or, for a tool that uses libpq, set PGOPTIONS="-c role=…" in its environment`,
		role, pq.QuoteLiteral(role))}
}
