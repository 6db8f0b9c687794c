package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/postgres"
)

func (a *app) rehearse() *cobra.Command {
	var scratch string
	var from uint
	var format output
	cmd := &cobra.Command{
		Use:   "rehearse --scratch-url URL",
		Short: "Run every migration up, down and up again on a scratch database",
		Long: `rehearse takes the migrations up, down and up again, one by one, on an empty database, and compares
the schema in the catalogs after each down with the one before its up: what a down does not undo is
shown, object by object. A missing down is told from a migration that says -- shiplock:irreversible,
and a down that takes away what may hold data is noted. Rows are not compared.

The scratch database must be empty, or have been left by a rehearsal; any other, and the one of
DATABASE_URL or PGHOST and PGDATABASE, is refused. It is empty in the end. Faults end with exit code 6, and in GitHub Actions
each of them is annotated at its file.`,
		Example: `  migrator rehearse --scratch-url postgres://ci:ci@localhost:5432/scratch --source ./migrations
  migrator rehearse --scratch-url $SCRATCH_URL --from 41     # what is newer than 41`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := format.check(); err != nil {
				return err
			}
			if scratch == "" {
				return &config.UsageError{Problem: "rehearse needs --scratch-url, a database that is empty and may be emptied again ($SHIPLOCK_SCRATCH_URL)"}
			}
			var r engine.RehearseOptions
			if cmd.Flags().Changed("from") {
				r.From = &from
			}
			real, table, err := a.targetDatabase()
			if err != nil {
				return err
			}
			a.settings.DatabaseURL, a.settings.DatabaseURLFile, a.settings.PasswordFile, a.settings.PasswordCommand = scratch, "", "", ""
			ctx, cancel, o, err := a.options(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			if real != nil {
				opts := o.Postgres
				opts.DSN, opts.Table, r.Real = *real, table, &opts
			}
			out, err := engine.Rehearse(ctx, o, r)
			var faults *engine.RehearsalError
			if err != nil && !errors.As(err, &faults) {
				return err
			}
			if a.github != nil {
				if told := a.annotate(oneLine(out)); told != nil {
					o.Log.Warn("could not be told", "error", told)
				}
			}
			return errors.Join(a.print(format, out, func() error { return printRehearsal(a.stdout, a.settings.Source, oneLine(out), a.redact) }), err)
		},
	}
	a.filesFlags(cmd.Flags())
	a.connectionFlags(cmd.Flags())
	a.waitForDBFlag(cmd.Flags())
	cmd.Flags().StringVar(&scratch, "scratch-url", "", "database to rehearse on; it must be empty ($SHIPLOCK_SCRATCH_URL)")
	cmd.Flags().UintVar(&from, "from", 0, "apply what is up to this version first, and rehearse what is newer")
	format.flag(cmd.Flags())
	return cmd
}

// targetDatabase is the one that the settings name, nil for none, and its version table.
func (a *app) targetDatabase() (*config.DSN, string, error) {
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

func printRehearsal(w io.Writer, source string, r engine.Rehearsal, hide func(string) string) error {
	var out strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&out, "%s:%d: %s: %s\n", filepath.Join(source, f.File), f.Line, f.Kind, f.Message)
		for _, d := range f.Differences {
			printDifference(&out, d)
		}
	}
	out.WriteString(rehearsalSummary(r, " on "+r.Database) + "\n")
	_, err := io.WriteString(w, hide(out.String()))
	return err
}

// rehearsed counts, for people.
func rehearsalSummary(r engine.Rehearsal, where string) string {
	of := ""
	if r.Total > r.Rehearsed {
		of = fmt.Sprintf(" of %d", r.Total)
	}
	s := "s"
	if len(r.Faults()) == 1 {
		s = ""
	}
	return fmt.Sprintf("%d%s migrations rehearsed%s, %d fault%s", r.Rehearsed, of, where, len(r.Faults()), s)
}

// annotate tells GitHub of each finding, at its file.
func (a *app) annotate(r engine.Rehearsal) error {
	var findings []notify.Finding
	for _, f := range r.Findings {
		var detail strings.Builder
		for _, d := range f.Differences {
			printDifference(&detail, d)
		}
		findings = append(findings, notify.Finding{Kind: string(f.Kind), Fault: f.FailsRehearsal, Position: notify.Position{File: f.File, Line: f.Line},
			Text: a.redact(f.Message), Detail: a.redact(detail.String())})
	}
	return a.github.Findings("Rehearsal: "+rehearsalSummary(r, ""), findings, a.settings.Source)
}

func printDifference(out *strings.Builder, d postgres.Difference) {
	before, after := d.Before, d.After
	switch {
	case before == "" && after == "": // a schema's definition may be empty
		before, after = "as it was", "another one"
	case before == "":
		before = "not there"
	case after == "":
		after = "not there"
	}
	fmt.Fprintf(out, "    %s\n      before  %s\n      after   %s\n", d.Object, before, after)
}
