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
		Short: "Show what up would do",
		Long: `plan reads the database and the files and shows what up would run, and how. It refuses what up would
refuse, with the same exit code, so that a pipeline knows before it deploys. It changes nothing and takes no lock.
The SQL itself is read, not run: whether it succeeds is for the database to say.`,
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
		fmt.Fprint(t, "plan\tnothing: the database is newer than the files\n")
		printUnknown(t, p.Ahead)
	case len(p.Steps) == 0:
		fmt.Fprint(t, "plan\tnothing to do\n")
	default:
		fmt.Fprintf(t, "plan\t%s, to version %s\n\nVERSION\tFILE\tSTATEMENTS\tHOW\n", stepCounts(p.Steps), numberText(p.To))
	}
	for _, s := range p.Steps {
		fmt.Fprintf(t, "%d\t%s\t%d\t%s\n", s.Version, s.File, s.Statements, execution(s))
	}
	return t.Flush()
}

// planned counts steps by their direction: those down come first.
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
		return report.Plural(down, "migration") + " to undo"
	default:
		return fmt.Sprintf("%s to undo, then %d to apply", report.Plural(down, "migration"), up)
	}
}

// how says how a file runs.
func execution(s engine.PreviewStep) string {
	how := "one transaction"
	if !s.Transactional {
		how = "statement by statement"
	}
	if s.Done > 0 {
		how += fmt.Sprintf(", after the first %d, which are in effect", s.Done)
	}
	return how
}

// printUnknown lists what only the journal knows.
func printUnknown(w io.Writer, ahead []engine.FileInfo) {
	for _, m := range ahead {
		fmt.Fprintf(w, "unknown here\t%d %s\n", m.Version, m.Name)
	}
}

func numberText(v *uint) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprint(*v)
}
