package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/report"
)

// downFlags are those of down alone.
type downFlags struct {
	to      uint
	toFiles bool
	dryRun  bool
	format  output
}

func (a *app) down() *cobra.Command {
	var f downFlags
	cmd := &cobra.Command{
		Use:   "down --to N | --to-files",
		Short: "Undo every migration above a version",
		Long: `down undoes every migration above version N, newest first; 0 undoes all. --to-files goes back to the
newest version of the files here: it undoes what a newer release has brought.

Each down runs in one transaction together with the new version. Where a file is not here, the journal
has what was deployed with it, and that runs. A migration that has no down, or is irreversible, is
refused before anything runs; and so is, without --allow-data-loss, a down that would drop tables or
columns that hold data, or delete rows. --dry-run shows what would run and what would be lost.`,
		Example: `  migrator down --to 41
  migrator down --to-files --dry-run`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd.Flags().Changed("to")); err != nil {
				return err
			}
			ctx, cancel, o, err := a.options(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			if f.dryRun {
				return a.dryRun(ctx, o, f)
			}
			var r engine.Result
			if f.toFiles {
				r, err = engine.DownToFiles(ctx, o)
			} else {
				r, err = engine.Down(ctx, o, f.to)
			}
			if err != nil {
				return err
			}
			a.summarize(r)
			logDown(o.Log, r)
			return nil
		},
	}
	a.databaseFlags(cmd.Flags())
	a.lockFlags(cmd.Flags())
	a.notifyFlags(cmd.Flags())
	a.dataLossFlag(cmd.Flags())
	cmd.Flags().StringVar(&a.settings.OnEdited, "on-edited", string(plan.FailEdited),
		"whose down counts where an applied file was edited: fail for the journal's, which ran, or allow for the file's ($SHIPLOCK_ON_EDITED)")
	cmd.Flags().UintVar(&f.to, "to", 0, "version to go back to; it stays applied")
	cmd.Flags().BoolVar(&f.toFiles, "to-files", false, "go back to the newest version of the files")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show what would run and what would be lost; change nothing")
	f.format.flag(cmd.Flags())
	return cmd
}

func logDown(log *slog.Logger, r engine.Result) {
	undone := r.DownSteps()
	said := []any{"version", versionText(r.To), "was", versionText(r.From), "undone", len(undone)}
	if len(undone) > 0 {
		said = append(said, "migrations", plan.Names(undone))
	}
	if applied := plan.InDirection(r.Steps, plan.Up); len(applied) > 0 { // the files had what the newer release had not
		said = append(said, "applied", plan.Names(applied))
	}
	log.Info("the schema is back", said...)
}

func (f *downFlags) check(to bool) error {
	switch {
	case to == f.toFiles && to:
		return &config.UsageError{Problem: "down takes --to N or --to-files, not both"}
	case to == f.toFiles:
		return &config.UsageError{Problem: "down needs --to N, the version to go back to (0 undoes everything), or --to-files"}
	case f.format != "table" && !f.dryRun:
		return &config.UsageError{Problem: "--output is for --dry-run"}
	}
	return f.format.check()
}

func (a *app) dryRun(ctx context.Context, o engine.Options, f downFlags) error {
	to := &f.to
	if f.toFiles {
		to = nil
	}
	p, err := engine.PlanDown(ctx, o, to)
	if err != nil {
		return err
	}
	return a.print(f.format, p, func() error { return printDown(a.stdout, p) })
}

func printDown(w io.Writer, p engine.Preview) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "database\t%s\nversion\t%s\n", oneLine(p.Database), numberText(p.From))
	if len(p.Steps) == 0 {
		fmt.Fprint(t, "plan\tnothing to undo\n")
		return t.Flush()
	}
	fmt.Fprintf(t, "plan\t%s to undo, to version %s\n", report.Plural(len(p.Steps), "migration"), numberText(p.To))
	if err := t.Flush(); err != nil {
		return err
	}
	for i, s := range oneLine(p).Steps {
		where := ""
		if s.FromHistory {
			where = ", from the journal"
		}
		fmt.Fprintf(w, "\n%d  %s%s: %s, %s\n", s.Version, s.File, where, report.Plural(s.Statements, "statement"), execution(s))
		for line := range strings.Lines(p.Steps[i].SQL) {
			line = strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")
			fmt.Fprintf(w, "    %s\n", oneLine(line))
		}
		for _, l := range s.Loses {
			fmt.Fprintf(w, "    LOSES %s\n", l)
		}
	}
	return nil
}
