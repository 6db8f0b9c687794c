package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/cli/outcome"
	"github.com/shiplock/shiplock/internal/cli/settings"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/rehearsal"
)

// baselineFlags holds the flags that only baseline has.
type baselineFlags struct {
	version    uint
	scratch    string
	unverified bool
}

func (a *app) baseline() *cobra.Command {
	var f baselineFlags
	cmd := &cobra.Command{
		Use:   "baseline --version N (--scratch-url URL | --unverified)",
		Short: "Set the version of a database whose schema already exists",
		Long: `Write a version to the version table of a database that has no version: one whose schema another
tool created, or whose version table was emptied or dropped. baseline runs no migration on that
database.

With --scratch-url, baseline first applies the migrations up to that version to an empty database
and compares the two schemas. If they differ, it prints the differences and writes nothing (exit
code 5). It does not compare owners, privileges, rows, or other schemas of the database. The scratch
database must be empty and must not be the database itself; baseline empties it afterwards. With
--unverified, nothing is compared, and the history table records that. Version 0 is a database
before its first migration.`,
		Example: `  migrator baseline --version 41 --scratch-url postgres://ci:ci@localhost:5432/scratch
  migrator baseline --version 41 --unverified`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runBaseline(cmd, f) },
	}
	a.settings.DatabaseFlags(cmd.Flags())
	a.settings.LockFlags(cmd.Flags())
	a.settings.NotifyFlags(cmd.Flags())
	cmd.Flags().UintVar(&f.version, "version", 0, "version of the existing schema")
	flags.WithEnv(cmd.Flags()).StringVar(&f.scratch, "scratch-url", "URL of an empty database for the schema comparison")
	cmd.Flags().BoolVar(&f.unverified, "unverified", false, "set the version without comparing the schema")
	return cmd
}

func (f baselineFlags) check(cmd *cobra.Command) error {
	switch {
	case !cmd.Flags().Changed("version"):
		return &config.UsageError{Problem: "baseline requires --version, the version of the existing schema"}
	case f.unverified && cmd.Flags().Changed("scratch-url") && os.Getenv("SHIPLOCK_SCRATCH_URL") == "":
		return &config.UsageError{Problem: "--scratch-url and --unverified cannot be used together"}
	case !f.unverified && f.scratch == "":
		return &config.UsageError{Problem: "baseline requires --scratch-url, an empty database for the comparison ($SHIPLOCK_SCRATCH_URL), or --unverified"}
	}
	return nil
}

func (a *app) runBaseline(cmd *cobra.Command, f baselineFlags) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	scratch := settings.OnlyURL(a.settings.Settings, f.scratch)
	return a.withOptions(cmd, func(ctx context.Context, o migrator.Options) error {
		b := rehearsal.BaselineOptions{Version: f.version}
		if !f.unverified {
			dsn, err := scratch.Database(os.Getenv)
			if err != nil {
				return err
			}
			a.redactor.AddDatabase(dsn)
			opts := o.Postgres
			opts.DSN, opts.Role, opts.Tables.Table = dsn, "", config.DefaultTable
			b.Scratch = &opts
		}
		result, err := rehearsal.Baseline(ctx, o, b)
		if err != nil {
			return err
		}
		a.summary = &outcome.Summary{Title: "baseline: " + result, Changed: true}
		o.Log.Info("baseline set", "version", f.version, "compared", !f.unverified)
		return nil
	})
}
