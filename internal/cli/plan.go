package cli

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/report"
)

func (a *app) plan() *cobra.Command {
	var format output
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show the migrations that up would run",
		Long: `Compare the migration files with the database and print the migrations that up would run, and how.
plan fails with the same exit code if up would refuse to run, so that a pipeline can check before it
deploys. plan changes nothing and takes no lock. It does not run the SQL, so a migration can still
fail.`,
		Example: `  migrator plan
  migrator plan -o json | jq '.steps | length'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return show(cmd.Context(), a, format, engine.Plan, printPlan)
		},
	}
	a.databaseFlags(cmd.Flags())
	a.policyFlags(cmd.Flags())
	format.flag(cmd.Flags())
	return cmd
}

func printPlan(w io.Writer, p engine.Preview) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "database\t%s\nversion\t%s\n", p.Database, numberText(p.From))
	switch {
	case p.Newer:
		fmt.Fprint(t, "plan\tnothing to do: the database is ahead of the migration files\n")
		printUnknown(t, p.Ahead)
	case len(p.Steps) == 0:
		fmt.Fprint(t, "plan\tnothing to do\n")
	default:
		fmt.Fprintf(t, "plan\t%s, to version %s\n\nVERSION\tFILE\tSTATEMENTS\tEXECUTION\n", stepCounts(p.Steps), numberText(p.To))
	}
	for _, s := range p.Steps {
		fmt.Fprintf(t, "%d\t%s\t%d\t%s\n", s.Version, s.File, s.Statements, execution(s))
	}
	return t.Flush()
}

// stepCounts describes the number of steps in each direction. Steps down run first.
func stepCounts(steps []engine.PreviewStep) string {
	down := 0
	for _, s := range steps {
		if s.Direction == "down" {
			down++
		}
	}
	switch up := len(steps) - down; {
	case down == 0:
		return report.Plural(up, "migration")
	case up == 0:
		return report.Plural(down, "migration") + " to roll back"
	default:
		return fmt.Sprintf("%s to roll back, then %d to apply", report.Plural(down, "migration"), up)
	}
}

// execution describes how a file runs: in one transaction, or statement by statement.
func execution(s engine.PreviewStep) string {
	text := "one transaction"
	if !s.Transactional {
		text = "statement by statement"
	}
	if s.StatementsApplied > 0 {
		text += fmt.Sprintf(", resuming after statement %d", s.StatementsApplied)
	}
	return text
}

// printUnknown lists the applied migrations that are not among the migration files.
func printUnknown(w io.Writer, ahead []engine.FileInfo) {
	for _, m := range ahead {
		fmt.Fprintf(w, "unknown\t%d %s\n", m.Version, m.Name)
	}
}

func numberText(v *uint) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprint(*v)
}
