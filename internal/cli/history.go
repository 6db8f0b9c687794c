package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/engine"
)

func (a *app) history() *cobra.Command {
	var format output
	var version uint
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show the history of all runs",
		Long: `List all runs in the history table, up and down, in chronological order: the user and release that
ran the migration, the outcome, and the run that a rollback rolled back. history requires no
migration files, and only the SELECT privilege on the history table. The table,
schema_migrations_history, also contains the SQL that ran, in the columns up_sql and down_sql.`,
		Example: `  migrator history
  migrator history --version 9
  migrator history -o json | jq '.runs[] | select(.direction == "down")'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var only *uint
			if cmd.Flags().Changed("version") {
				only = &version
			}
			read := func(ctx context.Context, o engine.Options) (engine.History, error) {
				return engine.ReadHistory(ctx, o, only)
			}
			return show(cmd.Context(), a, format, read, func(w io.Writer, h engine.History) error { return printHistory(w, h, only) })
		},
	}
	a.connectionFlags(cmd.Flags())
	a.waitForDBFlag(cmd.Flags())
	cmd.Flags().UintVar(&version, "version", 0, "show only the runs of this version")
	format.flag(cmd.Flags())
	return cmd
}

func printHistory(w io.Writer, h engine.History, only *uint) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "database\t%s\n", h.Database)
	if len(h.Runs) == 0 && only != nil {
		fmt.Fprintf(t, "history\tno runs of version %d in the history table of %s\n", *only, h.Table)
		return t.Flush()
	}
	if len(h.Runs) == 0 {
		fmt.Fprintf(t, "history\tno runs: the history table of %s does not exist or is empty\n", h.Table)
		return t.Flush()
	}
	fmt.Fprintf(t, "\nRUN\tSTARTED\tVERSION\tNAME\tDIRECTION\tOUTCOME\tDURATION\tBY\n")
	for _, r := range h.Runs {
		duration := ""
		if r.DurationSeconds > 0 {
			duration = time.Duration(r.DurationSeconds * float64(time.Second)).Round(time.Millisecond).String()
		}
		fmt.Fprintf(t, "%d\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Started.UTC().Format(timeFormat), r.Version, r.Name, r.Direction, historyOutcome(r), duration, historyBy(r))
	}
	return t.Flush()
}

func historyOutcome(r engine.HistoryEntry) string {
	out := r.Outcome
	switch {
	case r.RollsBack > 0:
		out += fmt.Sprintf(", rolls back run %d", r.RollsBack)
	case r.RolledBackBy > 0:
		out += fmt.Sprintf(", rolled back by run %d", r.RolledBackBy)
	case r.Error != "":
		line, _, _ := strings.Cut(r.Error, "\n")
		out += ": " + line
	case r.StatementsApplied < r.StatementsTotal:
		out += fmt.Sprintf(", %d of %d statements", r.StatementsApplied, r.StatementsTotal)
	}
	return out
}

func historyBy(r engine.HistoryEntry) string {
	var release []string
	for _, part := range []struct{ name, value string }{{"", r.Release}, {"revision ", r.Revision}, {"namespace ", r.Namespace}, {"pod ", r.Pod}} {
		if part.value != "" {
			release = append(release, part.name+part.value)
		}
	}
	return actor(r.User, strings.Join(release, ", "))
}
