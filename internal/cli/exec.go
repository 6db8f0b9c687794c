package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/lib/pq"
	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/config/credentials"
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/subprocess"
)

// defaultGrace is well below the default termination grace period of a pod, 30 seconds.
const defaultGrace = 5 * time.Second

// defaultSessionGrace, together with the schema comparison, also fits into these 30 seconds.
const defaultSessionGrace = 10 * time.Second

func (a *app) exec() *cobra.Command {
	var grace, sessionGrace time.Duration
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
		RunE: func(cmd *cobra.Command, args []string) error {
			if grace < 0 {
				return &config.UsageError{Problem: "--grace is " + grace.String() + "; want 0 or more, such as 10s"}
			}
			if sessionGrace < 0 {
				return &config.UsageError{Problem: "--session-grace is " + sessionGrace.String() + "; want 0 or more, such as 10s"}
			}
			path, err := lookPath(args[0])
			if err != nil {
				return err
			}
			if err := a.rejectRole(); err != nil {
				return err
			}
			if err := a.openTerminal(); err != nil { // the tool's output is also written above the progress bar
				return err
			}
			a.settings.Tool = true
			console := subprocess.NewSharedOutput(a.stderr, a.settings.LogFormat == "json")
			stdout, stderr := console.ProgramWriter(a.stdout), console.ProgramWriter(a.stderr)
			a.stderr = console
			ctx, cancel, o, err := a.options(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			return a.runTool(ctx, o, sessionGrace, subprocess.Command{
				Path: path, Args: args, Env: childEnv(os.Environ()), Stdin: os.Stdin, Grace: grace,
				Stdout: o.Postgres.DSN.NewMaskingWriter(stdout), Stderr: o.Postgres.DSN.NewMaskingWriter(stderr),
			})
		},
	}
	fs := cmd.Flags()
	fs.SetInterspersed(false) // flags after the command belong to the command
	a.connectionFlags(fs)
	a.waitForDBFlag(fs)
	a.sidecarFlag(fs)
	a.notifyFlags(fs)
	fs.DurationVar(&a.settings.LockWait, "lock-wait", config.DefaultLockWait, "maximum time to wait for another exec to finish ($SHIPLOCK_LOCK_WAIT)")
	fs.DurationVar(&grace, "grace", defaultGrace, "maximum time for the tool to exit after a signal before it is killed ($SHIPLOCK_GRACE)")
	fs.DurationVar(&sessionGrace, "session-grace", defaultSessionGrace,
		"maximum time to wait for database sessions that outlive the tool before reporting them ($SHIPLOCK_SESSION_GRACE)")
	return cmd
}

func (a *app) runTool(ctx context.Context, o engine.Options, sessionGrace time.Duration, c subprocess.Command) error {
	secrets, redactOwn := credentials.SecretsFromEnv(os.Environ()), a.redact
	redact := a.redactor
	a.redactor = func(s string) string { return secrets.Redact(redact(s)) }
	line := redactOwn(shellLine(secrets.RedactArgs(c.Args)))
	result, err := engine.Exec(ctx, o, engine.Tool{Command: c, Line: line, SessionGrace: sessionGrace, Progress: a.toolDisplay(o.Postgres.Progress, o.Log, c.Stdin)})
	if err == nil {
		// Rows are not compared, so every successful run counts as a change.
		a.summary = &summary{Result: report.Result{ToolCommand: line, Changes: len(result.Changes), ChangesUnknown: !result.SchemaCompared}, changed: true}
		attrs := []any{"took", result.Took.Round(10 * time.Millisecond)}
		if result.SchemaCompared {
			attrs = append(attrs, "schema_changes", len(result.Changes))
		}
		o.Log.Info("external tool succeeded", attrs...)
		for _, change := range result.Changes {
			o.Log.Debug("schema changed", "change", change)
		}
	}
	return err
}

// shellLine returns a command as it is typed in a shell, on one line.
func shellLine(args []string) string {
	return strings.ReplaceAll(shellescape.QuoteCommand(args), "\n", " ")
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
