package cli

import (
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/engine"
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
		RunE: func(cmd *cobra.Command, args []string) error {
			var path string
			if len(args) > 0 {
				var err error
				if path, err = lookPath(args[0]); err != nil {
					return err
				}
			}
			ctx, cancel, o, err := a.options(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			result, err := engine.Up(ctx, o)
			if err != nil {
				return err
			}
			logUp(o.Log, result)
			a.summarize(result)
			a.summary.nonePending = true
			if len(args) > 0 {
				a.finish(cmd.Context(), cmd, nil) // replaceProcess does not return on success
				return replaceProcess(cmd.Context(), path, args)
			}
			return nil
		},
	}
	a.databaseFlags(cmd.Flags())
	a.lockFlags(cmd.Flags())
	a.policyFlags(cmd.Flags())
	a.notifyFlags(cmd.Flags())
	return cmd
}

// policyFlags adds the flags that determine which migrations may run.
func (a *app) policyFlags(fs *pflag.FlagSet) {
	fs.StringVar(&a.settings.OnNewer, "on-newer", string(planner.AllowNewer),
		"action when the database is ahead of the migration files: allow, fail, or down (roll back) ($SHIPLOCK_ON_NEWER)")
	a.dataLossFlag(fs)
	fs.StringVar(&a.settings.TxMode, "tx-mode", string(engine.TxModeFile),
		"transaction scope: file (one transaction per migration) or all (one for all pending migrations) ($SHIPLOCK_TX_MODE)")
	fs.StringVar(&a.settings.OutOfOrder, "out-of-order", string(planner.FailOutOfOrder),
		"action when a pending migration is below the database version: fail or apply ($SHIPLOCK_OUT_OF_ORDER)")
	fs.StringVar(&a.settings.OnEdited, "on-edited", string(planner.FailEdited),
		"action when the file of an applied migration has changed: fail or allow ($SHIPLOCK_ON_EDITED)")
	fs.BoolVar(&a.settings.RequireDown, "require-down", false,
		"refuse migrations without a down file instead of logging a warning ($SHIPLOCK_REQUIRE_DOWN)")
}

func (a *app) dataLossFlag(fs *pflag.FlagSet) {
	fs.BoolVar(&a.settings.AllowDataLoss, "allow-data-loss", false,
		"allow rollbacks that drop tables or columns containing data, or delete rows ($SHIPLOCK_ALLOW_DATA_LOSS)")
}

func logUp(log *slog.Logger, r engine.Result) {
	switch {
	case r.Newer:
		log.Warn("database is ahead of the migration files; nothing to do", "version", r.To, "unknown_migrations", planner.Names(r.Ahead))
	case len(r.DownSteps()) > 0:
		logDown(log, r)
	case r.Applied == 0:
		log.Info("nothing to do", "version", planner.VersionText(r.To))
	default:
		log.Info("schema is up to date", "version", planner.VersionText(r.To), "previous_version", planner.VersionText(r.From), "applied", r.Applied)
	}
}
