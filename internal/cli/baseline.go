package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
)

func (a *app) baseline() *cobra.Command {
	var (
		version    uint
		scratch    string
		unverified bool
	)
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
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !cmd.Flags().Changed("version"):
				return &config.UsageError{Problem: "baseline requires --version, the version of the existing schema"}
			case unverified && cmd.Flags().Lookup("scratch-url").Changed && os.Getenv("SHIPLOCK_SCRATCH_URL") == "":
				return &config.UsageError{Problem: "--scratch-url and --unverified cannot be used together"}
			case !unverified && scratch == "":
				return &config.UsageError{Problem: "baseline requires --scratch-url, an empty database for the comparison ($SHIPLOCK_SCRATCH_URL), or --unverified"}
			}
			b := engine.BaselineOptions{Version: version}
			settings := a.settings
			ctx, cancel, o, err := a.options(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			if !unverified {
				settings.DatabaseURL, settings.DatabaseURLFile, settings.PasswordFile, settings.PasswordCommand = scratch, "", "", ""
				dsn, err := settings.Database(os.Getenv)
				if err != nil {
					return err
				}
				redactTarget := a.redactor
				a.redactor = func(text string) string { return dsn.Redact(redactTarget(text)) }
				opts := o.Postgres
				opts.DSN, opts.Role, opts.Table = dsn, "", config.DefaultTable
				b.Scratch = &opts
			}
			result, err := engine.Baseline(ctx, o, b)
			if err == nil {
				a.summary = &summary{title: "baseline: " + result, changed: true}
				o.Log.Info("baseline set", "version", version, "compared", !unverified)
			}
			return err
		},
	}
	a.databaseFlags(cmd.Flags())
	a.lockFlags(cmd.Flags())
	a.notifyFlags(cmd.Flags())
	cmd.Flags().UintVar(&version, "version", 0, "version of the existing schema")
	cmd.Flags().StringVar(&scratch, "scratch-url", "", "URL of an empty database for the schema comparison ($SHIPLOCK_SCRATCH_URL)")
	cmd.Flags().BoolVar(&unverified, "unverified", false, "set the version without comparing the schema")
	return cmd
}
