package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/engine"
)

func (a *app) status() *cobra.Command {
	var format output
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the database version and pending migrations",
		Long: `Compare the database with the migration files and list applied and pending migrations. status
changes nothing and takes no lock.`,
		Example: `  migrator status
  migrator status -o json | jq '.pending | length'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return show(cmd.Context(), a, format, engine.ReadStatus, printStatus)
		},
	}
	a.databaseFlags(cmd.Flags())
	format.flag(cmd.Flags())
	return cmd
}

func printStatus(w io.Writer, st engine.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "database\t%s\n", st.Database)
	if st.Tool != nil {
		printTool(t, *st.Tool)
	}
	if st.Tool == nil || len(st.Applied)+len(st.Pending) > 0 {
		printFiles(t, st)
	}
	return t.Flush()
}

func printTool(w io.Writer, r engine.ToolInfo) {
	outcome := r.Outcome
	if r.Ended != "" {
		outcome += fmt.Sprintf(" (%s), took %s", r.Ended, time.Duration(r.DurationSeconds*float64(time.Second)).Round(time.Millisecond))
	}
	fmt.Fprintf(w, "tool\t%s\nlast run\t%s, %s, by %s, %d schema changes\n", r.Command, outcome, r.Started.UTC().Format(timeFormat), actor(r.User, r.Release), len(r.Changes))
}

// printFailure prints the outcome of the last run as in the title of its failure report.
func printFailure(w io.Writer, f engine.Failure) {
	outcome := map[string]string{"failed": "failed and was rolled back", "partially applied": "partially applied", "running": "interrupted or still running"}[f.Outcome]
	fmt.Fprintf(w, "last run\tversion %d %s %s, %s, by %s\nreason\t%s\n", f.Version, f.Direction, cmp.Or(outcome, f.Outcome),
		f.Started.UTC().Format(timeFormat), actor(f.User, f.Release), f.Error)
}

const timeFormat = "2006-01-02 15:04:05Z"

// actor returns the user, followed by the release in parentheses if known.
func actor(user, release string) string {
	if release == "" {
		return user
	}
	return user + " (" + release + ")"
}

func printFiles(t io.Writer, st engine.Status) {
	current := "none"
	if st.Version != nil {
		current = fmt.Sprint(*st.Version)
	}
	note := ""
	switch {
	case st.Dirty:
		note = ", DIRTY: a migration did not complete"
	case !st.VersionInFiles && *st.Version > st.Latest:
		note = ", ahead of the migration files"
	case !st.VersionInFiles:
		note = ", not in the migration files"
	}
	fmt.Fprintf(t, "table\t%s\nversion\t%s%s\nfiles\tup to version %d, %d pending\n",
		st.Table, current, note, st.Latest, len(st.Pending))
	if f := st.LastFailure; f != nil {
		printFailure(t, *f)
	}
	fmt.Fprintln(t)
	fmt.Fprintf(t, "VERSION\tNAME\tSTATE\tSTARTED\tDURATION\tBY\n")
	for _, m := range st.Applied {
		state := "applied"
		if slices.Contains(st.Edited, m.Version) {
			state = "applied, file has changed"
		}
		if slices.Contains(st.LineEndings, m.Version) {
			state = "applied, line endings differ"
		}
		if m.FromHistory {
			state = "applied, file is missing"
		}
		if m.MinCompatibleVersion > 0 {
			state += fmt.Sprintf(", min compatible version %d", m.MinCompatibleVersion)
		}
		printRow(t, m, state)
	}
	for _, m := range st.Pending {
		printRow(t, m, "pending")
	}
}

func printRow(w io.Writer, m engine.FileInfo, state string) {
	r := m.Run
	if r == nil {
		fmt.Fprintf(w, "%d\t%s\t%s\t\t\t\n", m.Version, m.Name, state)
		return
	}
	switch r.Outcome {
	case "imported":
		state += ", by another tool"
	case "failed":
		state += ", last attempt failed"
	case "running", "partially applied", "repaired":
		state = fmt.Sprintf("partially applied, %d of %d statements", r.StatementsApplied, r.StatementsTotal)
	}
	duration := ""
	if r.DurationSeconds > 0 {
		duration = time.Duration(r.DurationSeconds * float64(time.Second)).Round(time.Millisecond).String()
	}
	fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", m.Version, m.Name, state, r.Started.UTC().Format(timeFormat), duration, actor(r.User, r.Release))
}
