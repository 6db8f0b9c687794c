package cli

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/plan"
)

func (a *app) up() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up [-- COMMAND [ARGUMENT...]]",
		Short: "Apply every migration that is pending",
		Long: `up applies every migration above the database's version, in order. Each runs in one
transaction together with the new version, so a migration that fails leaves nothing behind;
what cannot run in a transaction (CREATE INDEX CONCURRENTLY, VACUUM …) runs statement by statement.

With --tx-mode all, all pending migrations run in one transaction: if one fails, all are rolled back.
Their locks are held until the last migration has run, so use it for short migrations only.

If a COMMAND follows --, it replaces the migrator process once the schema is up to date. It gets the
same environment, without the notification settings, and receives all signals. The migrator checks
that COMMAND exists before it runs a migration. Several instances can start at the same time: one
migrates, the others wait.`,
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
			a.summary.pending = true
			if len(args) > 0 {
				a.finish(cmd.Context(), cmd, nil) // nobody comes back from there
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

// policyFlags are the user's choices about what may run.
func (a *app) policyFlags(fs *pflag.FlagSet) {
	fs.StringVar(&a.settings.OnNewer, "on-newer", string(plan.AllowNewer),
		"what to do when the database is newer than the files: allow, fail, or down to undo what is newer ($SHIPLOCK_ON_NEWER)")
	a.dataLossFlag(fs)
	fs.StringVar(&a.settings.TxMode, "tx-mode", string(engine.TxModeFile),
		"what is one transaction: migration, or release for all that is pending ($SHIPLOCK_TX_MODE)")
	fs.StringVar(&a.settings.OutOfOrder, "out-of-order", string(plan.FailOutOfOrder),
		"what to do with a migration below the database's version that has not run: fail or apply ($SHIPLOCK_OUT_OF_ORDER)")
	fs.StringVar(&a.settings.OnEdited, "on-edited", string(plan.FailEdited),
		"what to do when an applied file was edited: fail or allow ($SHIPLOCK_ON_EDITED)")
	fs.BoolVar(&a.settings.RequireDown, "require-down", false,
		"refuse to apply a migration that has no down file, instead of a warning ($SHIPLOCK_REQUIRE_DOWN)")
}

func (a *app) dataLossFlag(fs *pflag.FlagSet) {
	fs.BoolVar(&a.settings.AllowDataLoss, "allow-data-loss", false,
		"let a down drop tables and columns that hold data, and delete rows ($SHIPLOCK_ALLOW_DATA_LOSS)")
}

func logUp(log *slog.Logger, r engine.Result) {
	switch {
	case r.Newer:
		log.Warn("the database is newer than the files here; nothing was done", "version", r.To, "not_known_here", plan.Names(r.Ahead))
	case len(r.DownSteps()) > 0:
		logDown(log, r)
	case r.Applied == 0:
		log.Info("nothing to do", "version", versionText(r.To))
	default:
		log.Info("the schema is up to date", "version", versionText(r.To), "was", versionText(r.From), "applied", r.Applied)
	}
}

func versionText(v int) string {
	if v == plan.NoVersion {
		return "none"
	}
	return fmt.Sprint(v)
}
