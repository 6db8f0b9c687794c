package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/cli/output"
	"github.com/shiplock/shiplock/internal/cli/sanitize"
	"github.com/shiplock/shiplock/internal/cli/settings"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/notify/github"
	"github.com/shiplock/shiplock/internal/rehearsal"
)

// rehearseFlags holds the flags that only rehearse has.
type rehearseFlags struct {
	scratch string
	from    uint
	format  output.Format
}

func (a *app) rehearse() *cobra.Command {
	var f rehearseFlags
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
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runRehearse(cmd, f) },
	}
	a.settings.FilesFlags(cmd.Flags())
	a.settings.ConnectionFlags(cmd.Flags())
	a.settings.WaitForDBFlags(cmd.Flags())
	flags.WithEnv(cmd.Flags()).StringVar(&f.scratch, "scratch-url", "URL of an empty database for the rehearsal")
	cmd.Flags().UintVar(&f.from, "from", 0, "version to migrate to first; rehearse only the migrations above it")
	outputFlag(cmd.Flags(), &f.format)
	return cmd
}

func (a *app) runRehearse(cmd *cobra.Command, f rehearseFlags) error {
	if f.scratch == "" {
		return &config.UsageError{Problem: "rehearse requires --scratch-url, an empty database that rehearse may empty again ($SHIPLOCK_SCRATCH_URL)"}
	}
	var r rehearsal.RehearseOptions
	if cmd.Flags().Changed("from") {
		r.From = &f.from
	}
	target, table, err := a.targetDatabase()
	if err != nil {
		return err
	}
	a.settings.Settings = settings.OnlyURL(a.settings.Settings, f.scratch)
	return a.withOptions(cmd, func(ctx context.Context, o migrator.Options) error {
		if target != nil {
			real := o.Postgres
			real.DSN, real.Tables.Table, r.Real = *target, table, &real
		}
		out, err := rehearsal.Rehearse(ctx, o, r)
		var failed *rehearsal.RehearsalError
		if err != nil && !errors.As(err, &failed) {
			return err
		}
		a.annotate(o.Log, out)
		return errors.Join(a.print(f.format, out, func(w io.Writer) error { return output.Rehearsal(w, out, a.settings.Source, a.redactor.Redact) }), err)
	})
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
	a.redactor.AddDatabase(dsn)
	return &dsn, s.Table, nil
}

// annotate writes an annotation for each finding in GitHub Actions.
func (a *app) annotate(log *slog.Logger, r rehearsal.Rehearsal) {
	runner := a.console.GitHub()
	if runner == nil {
		return
	}
	var findings []github.Finding
	for _, f := range r.Findings {
		findings = append(findings, github.Finding{Kind: string(f.Kind), Failure: f.FailsRehearsal, Position: notify.Position{File: sanitize.Line(f.File), Line: f.Line},
			Text: a.redactor.Redact(sanitize.Line(f.Message)), Detail: a.redactor.Redact(output.Differences(f.Differences))})
	}
	if err := runner.Findings("Rehearsal: "+output.RehearsalSummary(r, ""), findings, a.settings.Source); err != nil {
		log.Warn("notification failed", "error", err)
	}
}
