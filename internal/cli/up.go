package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/outcome"
	"github.com/shiplock/shiplock/internal/cli/process"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
)

func (a *app) up() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up [-- COMMAND [ARGUMENT...]]",
		Short: "Apply all pending migrations",
		Long: `Apply all pending migrations in version order. Each migration and its version update run in one
transaction, so a migration that fails is rolled back completely. A file with statements that cannot
run in a transaction (CREATE INDEX CONCURRENTLY, VACUUM …) runs statement by statement.

With --tx-mode all, all pending migrations run in one transaction: if one fails, all are rolled
back. Locks are held until the last migration is done, so use it for short migrations only. A file
that cannot run in a transaction is refused.

If a COMMAND follows --, it replaces the migrator process once the schema is up to date. COMMAND
gets the same environment, without the notification settings, and receives all signals. The migrator
checks that COMMAND exists before it runs a migration. Several instances can start at the same time:
one migrates, the others wait.`,
		Example: `  DATABASE_URL=postgres://app:secret@db:5432/shop migrator up --source ./migrations
  migrator up --wait-for-db 2m --timeout 10m
  migrator up --connect-attempts 30 --connect-delay 2s -- ./server --port 8080`,
		Args: commandArgs,
		RunE: a.runUp,
	}
	a.settings.DatabaseFlags(cmd.Flags())
	a.settings.LockFlags(cmd.Flags())
	a.settings.PolicyFlags(cmd.Flags())
	a.settings.RunNotifyFlags(cmd.Flags())
	return cmd
}

// commandArgs validates the arguments of up: an optional command after --.
func commandArgs(cmd *cobra.Command, args []string) error {
	switch dash := cmd.ArgsLenAtDash(); {
	case dash == 0 && len(args) == 0:
		return errors.New("missing command after --; run, for example: migrator up -- ./server")
	case dash < 0 && len(args) > 0:
		return fmt.Errorf("unexpected argument %q; did you mean: migrator up -- %s", args[0], strings.Join(args, " "))
	case dash > 0:
		return fmt.Errorf("unexpected argument %q before --", args[0])
	}
	return nil
}

// runUp applies the pending migrations. If a command follows, it replaces this process.
func (a *app) runUp(cmd *cobra.Command, command []string) error {
	if len(command) == 0 {
		return a.applyPending(cmd)
	}
	path, err := process.Find(command[0])
	if err != nil {
		return err
	}
	if err := a.applyPending(cmd); err != nil {
		return err
	}
	a.finish(cmd.Context(), cmd, nil) // Replace does not return on success
	return process.Replace(cmd.Context(), path, command, toolEnvironment(cmd))
}

func (a *app) applyPending(cmd *cobra.Command) error {
	return a.withOptions(cmd, func(ctx context.Context, o migrator.Options) error {
		result, err := migrator.Up(ctx, o)
		if err != nil {
			return err
		}
		logUp(o.Log, result)
		a.summary = outcome.Migrated(result)
		a.summary.NonePending = true
		return nil
	})
}

func logUp(log *slog.Logger, r migrator.Result) {
	switch {
	case r.Newer:
		log.Warn("database is ahead of the migration files; nothing to do", "version", r.To, "unknown_migrations", planner.Names(r.Ahead))
	case len(r.RolledBack()) > 0:
		logDown(log, r)
	case r.Applied == 0:
		log.Info("nothing to do", "version", planner.VersionText(r.To))
	default:
		log.Info("schema is up to date", "version", planner.VersionText(r.To), "previous_version", planner.VersionText(r.From), "applied", r.Applied)
	}
}
