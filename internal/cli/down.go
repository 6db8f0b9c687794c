package cli

import (
	"context"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/outcome"
	"github.com/shiplock/shiplock/internal/cli/output"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
)

// downFlags holds the flags that only down has.
type downFlags struct {
	to      uint
	toFiles bool
	dryRun  bool
	format  output.Format
}

func (a *app) down() *cobra.Command {
	var f downFlags
	cmd := &cobra.Command{
		Use:   "down --to N | --to-files",
		Short: "Roll back to a version",
		Long: `Roll back all migrations above version N, newest first; --to 0 rolls back all migrations. With
--to-files, roll back to the newest version among the migration files: this rolls back the
migrations of a newer release.

Each down script and its version update run in one transaction. If a migration's files are missing,
down runs the script stored in the history table. A migration without a down script, or one marked
irreversible, is refused before anything runs. So is a down script that would drop tables or columns
containing data, or delete rows, unless --allow-data-loss is set. --dry-run prints the statements
and the data that would be lost.`,
		Example: `  migrator down --to 41
  migrator down --to-files --dry-run`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runDown(cmd, f) },
	}
	a.settings.DatabaseFlags(cmd.Flags())
	a.settings.LockFlags(cmd.Flags())
	a.settings.RunNotifyFlags(cmd.Flags())
	a.settings.DataLossFlag(cmd.Flags())
	a.settings.OnEditedFlag(cmd.Flags(), "down script to run if the file of an applied migration has changed: fail (stored in the history table) or allow (in the file)")
	cmd.Flags().UintVar(&f.to, "to", 0, "target version, which stays applied; 0 to roll back all migrations")
	cmd.Flags().BoolVar(&f.toFiles, "to-files", false, "roll back to the newest version among the migration files")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "print the statements and the data that would be lost, without changing the database")
	outputFlag(cmd.Flags(), &f.format)
	return cmd
}

// check returns an error unless the flags name one version. to reports whether --to is set.
func (f downFlags) check(to bool) error {
	switch {
	case to == f.toFiles && to:
		return &config.UsageError{Problem: "--to and --to-files cannot be used together"}
	case to == f.toFiles:
		return &config.UsageError{Problem: "down requires --to N, the version to roll back to (0 for all migrations), or --to-files"}
	case f.format != output.Table && !f.dryRun:
		return &config.UsageError{Problem: "--output requires --dry-run"}
	}
	return nil
}

func (a *app) runDown(cmd *cobra.Command, f downFlags) error {
	if err := f.check(cmd.Flags().Changed("to")); err != nil {
		return err
	}
	return a.withOptions(cmd, func(ctx context.Context, o migrator.Options) error {
		if f.dryRun {
			return a.dryRun(ctx, o, f)
		}
		result, err := f.rollBack(ctx, o)
		if err != nil {
			return err
		}
		a.summary = outcome.Migrated(result)
		logDown(o.Log, result)
		return nil
	})
}

func (f downFlags) rollBack(ctx context.Context, o migrator.Options) (migrator.Result, error) {
	if f.toFiles {
		return migrator.DownToFiles(ctx, o)
	}
	return migrator.Down(ctx, o, f.to)
}

func (a *app) dryRun(ctx context.Context, o migrator.Options, f downFlags) error {
	to := &f.to
	if f.toFiles {
		to = nil
	}
	p, err := migrator.PlanDown(ctx, o, to)
	if err != nil {
		return err
	}
	return a.print(f.format, p, func(w io.Writer) error { return output.Rollback(w, p) })
}

func logDown(log *slog.Logger, r migrator.Result) {
	rolledBack := r.RolledBack()
	attrs := []any{"version", planner.VersionText(r.To), "previous_version", planner.VersionText(r.From), "rolled_back", len(rolledBack)}
	if len(rolledBack) > 0 {
		attrs = append(attrs, "migrations", planner.Names(rolledBack))
	}
	if applied := planner.InDirection(r.Steps, source.Up); len(applied) > 0 { // migrations that the newer release did not have
		attrs = append(attrs, "applied", planner.Names(applied))
	}
	log.Info("rolled back", attrs...)
}
