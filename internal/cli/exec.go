package cli

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/child"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/report"
)

// defaultGrace is well below the 30 seconds that Kubernetes gives a pod to end.
const defaultGrace = 5 * time.Second

// defaultSessionGrace fits into these 30 seconds, too, with the comparison of the schema.
const defaultSessionGrace = 10 * time.Second

func (a *app) exec() *cobra.Command {
	var grace, sessionGrace time.Duration
	cmd := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run another migration tool, one at a time, and explain its failures",
		Long: `exec runs somebody else's migration tool: it waits for the database, takes a lock so that no two
tools run at once, hands on signals, ends the tool when --timeout is over or the lock is lost, and compares
the schema before and after. The tool gets our standard input and our environment (but for where to send
notifications), and what it prints passes as it is; but the database's password in it shows as xxxxx, and a
line that looks like one of ours begins with "| ", or has a "from":"tool" in a log of JSON. The tool finds its
password by itself: --password-command and the like are for our own connections.

A statement that the tool has sent may outlive it in the server. The lock is kept until the tool's sessions
have ended. Sessions that are certain to be the tool's are canceled; others that may be are waited for, up to
--session-grace, and then listed in the failure report, with exit code 7. To identify the sessions, the tool
gets PGAPPNAME where it has none, and client_connection_check_interval through PGOPTIONS, unless that is set and empty.

If the tool fails, the exit code is 6 when the schema is as it was and 7 when it is not; the tool's
own code is in the card. Each run is journaled, in schema_migrations_exec_history beside the version table.
exec and up do not exclude each other, so that a tool may itself run migrator up.`,
		Example: `  migrator exec -- npm run migrate
  migrator exec --timeout 10m -- alembic upgrade head
  migrator exec -- sh -c 'flyway migrate && flyway validate'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("exec needs a command: migrator exec -- npm run migrate")
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
			if err := a.openTerminal(); err != nil { // what the tool says goes by the bar, too
				return err
			}
			a.settings.Tool = true
			console := child.NewSharedOutput(a.stderr, a.settings.LogFormat == "json")
			stdout, stderr := console.ProgramWriter(a.stdout), console.ProgramWriter(a.stderr)
			a.stderr = console
			ctx, cancel, o, err := a.options(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			return a.runTool(ctx, o, sessionGrace, child.Command{
				Path: path, Args: args, Env: childEnv(os.Environ()), Stdin: os.Stdin, Grace: grace,
				Stdout: o.Postgres.DSN.NewMaskingWriter(stdout), Stderr: o.Postgres.DSN.NewMaskingWriter(stderr),
			})
		},
	}
	fs := cmd.Flags()
	fs.SetInterspersed(false) // what follows the command is the command's
	a.connectionFlags(fs)
	a.waitForDBFlag(fs)
	a.sidecarFlag(fs)
	a.notifyFlags(fs)
	fs.DurationVar(&a.settings.LockWait, "lock-wait", config.DefaultLockWait, "how long to wait for another exec ($SHIPLOCK_LOCK_WAIT)")
	fs.DurationVar(&grace, "grace", defaultGrace, "how long the tool may take to end when it was asked to, before it is killed ($SHIPLOCK_GRACE)")
	fs.DurationVar(&sessionGrace, "session-grace", defaultSessionGrace,
		"Maximum time to wait for database sessions that the tool leaves behind, before they are reported ($SHIPLOCK_SESSION_GRACE)")
	return cmd
}

func (a *app) runTool(ctx context.Context, o engine.Options, sessionGrace time.Duration, c child.Command) error {
	secrets, ours := config.SecretsFromEnv(os.Environ()), a.redact
	redact := a.redactor
	a.redactor = func(s string) string { return secrets.Redact(redact(s)) }
	line := ours(shellLine(secrets.RedactArgs(c.Args)))
	result, err := engine.Exec(ctx, o, engine.Tool{Command: c, Line: line, SessionGrace: sessionGrace, Progress: a.toolDisplay(o.Postgres.Progress, o.Log, c.Stdin)})
	if err == nil {
		// A tool may have changed rows, which nobody has compared: it counts as a change.
		a.summary = &summary{Result: report.Result{ToolCommand: line, Changes: len(result.Changes), ChangesUnknown: !result.SchemaCompared}, changed: true}
		facts := []any{"took", result.Took.Round(10 * time.Millisecond)}
		if result.SchemaCompared {
			facts = append(facts, "schema_changes", len(result.Changes))
		}
		o.Log.Info("the tool has succeeded", facts...)
		for _, change := range result.Changes {
			o.Log.Debug("schema", "change", change)
		}
	}
	return err
}

var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// shellLine writes a command as one would type it, on one line.
func shellLine(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		if words[i] = arg; !plainWord.MatchString(arg) {
			words[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.ReplaceAll(strings.Join(words, " "), "\n", " ")
}
