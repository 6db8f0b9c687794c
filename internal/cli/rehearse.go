package cli

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/output"
	"github.com/shiplock/shiplock/internal/cli/sanitize"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/notify"
)

func (a *app) rehearse() *cobra.Command {
	var scratch string
	var from uint
	var format output.Format
	cmd := &cobra.Command{
		Use:   "rehearse --scratch-url URL",
		Short: "Run each migration up, down, and up again on a scratch database",
		Long: `Run each migration up, down, and up again on an empty database. rehearse compares the schema before
the up script with the schema after the down script, and prints every object that the down script
does not restore. It also reports down scripts that fail or may delete data. Missing down scripts
are reported separately from migrations marked irreversible (-- shiplock:irreversible). Rows are not
compared.

The scratch database must be empty or left by an earlier rehearsal, and must not be the database in
DATABASE_URL, or in PGHOST and PGDATABASE. rehearse empties it afterwards. If it finds a fault, the
exit code is 6; in GitHub Actions, each fault is annotated in its file.`,
		Example: `  migrator rehearse --scratch-url postgres://ci:ci@localhost:5432/scratch --source ./migrations
  migrator rehearse --scratch-url $SCRATCH_URL --from 41     # only migrations above version 41`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(format); err != nil {
				return err
			}
			if scratch == "" {
				return &config.UsageError{Problem: "rehearse requires --scratch-url, an empty database that rehearse may empty again ($SHIPLOCK_SCRATCH_URL)"}
			}
			var r engine.RehearseOptions
			if cmd.Flags().Changed("from") {
				r.From = &from
			}
			target, table, err := a.targetDatabase()
			if err != nil {
				return err
			}
			a.settings.DatabaseURL, a.settings.DatabaseURLFile, a.settings.PasswordFile, a.settings.PasswordCommand = scratch, "", "", ""
			ctx, cancel, o, err := a.options(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			if target != nil {
				opts := o.Postgres
				opts.DSN, opts.Table, r.Real = *target, table, &opts
			}
			out, err := engine.Rehearse(ctx, o, r)
			var faults *engine.RehearsalError
			if err != nil && !errors.As(err, &faults) {
				return err
			}
			if a.github != nil {
				if annotateErr := a.annotate(out); annotateErr != nil {
					o.Log.Warn("notification failed", "error", annotateErr)
				}
			}
			return errors.Join(a.print(format, out, func(w io.Writer) error { return output.Rehearsal(w, out, a.settings.Source, a.redact) }), err)
		},
	}
	a.filesFlags(cmd.Flags())
	a.connectionFlags(cmd.Flags())
	a.waitForDBFlag(cmd.Flags())
	cmd.Flags().StringVar(&scratch, "scratch-url", "", "URL of an empty database for the rehearsal ($SHIPLOCK_SCRATCH_URL)")
	cmd.Flags().UintVar(&from, "from", 0, "version to migrate to first; rehearse only the migrations above it")
	outputFlag(cmd.Flags(), &format)
	return cmd
}

// targetDatabase returns the configured database, nil if none, and its version table.
func (a *app) targetDatabase() (*dsn.DSN, string, error) {
	s := a.settings
	if s.DatabaseURL == "" && s.DatabaseURLFile == "" && os.Getenv("PGHOST")+os.Getenv("PGHOSTADDR")+os.Getenv("PGDATABASE")+os.Getenv("PGSERVICE") == "" {
		return nil, "", nil
	}
	dsn, err := s.Database(os.Getenv)
	if err != nil {
		return nil, "", err
	}
	a.redactor = dsn.Redact
	return &dsn, s.Table, nil
}

// annotate writes a GitHub annotation for each finding.
func (a *app) annotate(r engine.Rehearsal) error {
	var findings []notify.Finding
	for _, f := range r.Findings {
		findings = append(findings, notify.Finding{Kind: string(f.Kind), Fault: f.FailsRehearsal, Position: notify.Position{File: sanitize.Line(f.File), Line: f.Line},
			Text: a.redact(sanitize.Line(f.Message)), Detail: a.redact(output.Differences(f.Differences))})
	}
	return a.github.Findings("Rehearsal: "+output.RehearsalSummary(r, ""), findings, a.settings.Source)
}
