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
		Long: `baseline writes a version to the version table of a database that has none: one that another tool
created, or whose version table was emptied or dropped. It runs no migration there.

With --scratch-url it applies the migrations up to that version to an empty database first, and compares
the two schemas. Differences are printed, and nothing is written (exit code 5). Owners, privileges and
rows are not compared, nor what the database has in other schemas. The scratch database is emptied; one
that is not empty, and the database itself, are refused. With --unverified nothing is compared, and the
history records that. Version 0 is a database before its first migration.`,
		Example: `  migrator baseline --version 41 --scratch-url postgres://ci:ci@localhost:5432/scratch
  migrator baseline --version 41 --unverified`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !cmd.Flags().Changed("version"):
				return &config.UsageError{Problem: "baseline needs --version, the version that the schema is at"}
			case unverified && cmd.Flags().Lookup("scratch-url").Changed && os.Getenv("SHIPLOCK_SCRATCH_URL") == "":
				return &config.UsageError{Problem: "baseline takes --scratch-url or --unverified, not both"}
			case !unverified && scratch == "":
				return &config.UsageError{Problem: "baseline needs --scratch-url, an empty database to compare the schema with ($SHIPLOCK_SCRATCH_URL), or --unverified"}
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
				real := a.redactor
				a.redactor = func(text string) string { return dsn.Redact(real(text)) }
				opts := o.Postgres
				opts.DSN, opts.Role, opts.Table = dsn, "", config.DefaultTable
				b.Scratch = &opts
			}
			did, err := engine.Baseline(ctx, o, b)
			if err == nil {
				a.summary = &summary{title: "baseline: " + did, changed: true}
				o.Log.Info("baseline set", "version", version, "compared", !unverified)
			}
			return err
		},
	}
	a.databaseFlags(cmd.Flags())
	a.lockFlags(cmd.Flags())
	a.notifyFlags(cmd.Flags())
	cmd.Flags().UintVar(&version, "version", 0, "version that the schema is at")
	cmd.Flags().StringVar(&scratch, "scratch-url", "", "empty database to compare the schema with ($SHIPLOCK_SCRATCH_URL)")
	cmd.Flags().BoolVar(&unverified, "unverified", false, "set the version without a comparison")
	return cmd
}
