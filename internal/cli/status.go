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
		Short: "Show the database's version and what is pending",
		Long:  `status compares the database with the files. It changes nothing and takes no lock.`,
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
	how := r.Outcome
	if r.Ended != "" {
		how += fmt.Sprintf(" (%s), took %s", r.Ended, time.Duration(r.DurationSeconds*float64(time.Second)).Round(time.Millisecond))
	}
	fmt.Fprintf(w, "tool\t%s\nlast run\t%s, %s, by %s, %d schema changes\n", r.Command, how, r.Started.UTC().Format(timeFormat), actor(r.User, r.Release), len(r.Changes))
}

// printFailure says how the last run ended, in the words of its card's title.
func printFailure(w io.Writer, f engine.Failure) {
	how := map[string]string{"failed": "failed; nothing of it was kept", "partially applied": "partially applied", "running": "broke off, or is at work"}[f.Outcome]
	fmt.Fprintf(w, "last run\tversion %d %s %s, %s, by %s\nreason\t%s\n", f.Version, f.Direction, cmp.Or(how, f.Outcome),
		f.Started.UTC().Format(timeFormat), actor(f.User, f.Release), f.Error)
}

const timeFormat = "2006-01-02 15:04:05Z"

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
		note = ", DIRTY: a migration stopped part-way"
	case !st.VersionInFiles && *st.Version > st.Latest:
		note = ", newer than the files"
	case !st.VersionInFiles:
		note = ", not among the files"
	}
	fmt.Fprintf(t, "table\t%s\nversion\t%s%s\nfiles\tup to version %d, %d pending\n",
		st.Table, current, note, st.Latest, len(st.Pending))
	if f := st.LastFailure; f != nil {
		printFailure(t, *f)
	}
	fmt.Fprintln(t)
	fmt.Fprintf(t, "VERSION\tNAME\tSTATE\tWHEN\tTOOK\tBY\n")
	for _, m := range st.Applied {
		state := "applied"
		if slices.Contains(st.Edited, m.Version) {
			state = "applied, file edited since"
		}
		if slices.Contains(st.LineEndings, m.Version) {
			state = "applied, line endings differ"
		}
		if m.FromHistory {
			state = "applied, not among the files"
		}
		if m.MinCompatibleVersion > 0 {
			state += fmt.Sprintf(", breaks before %d", m.MinCompatibleVersion)
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
		state += ", last try failed"
	case "running", "partially applied", "repaired":
		state = fmt.Sprintf("part-way, %d of %d statements", r.StatementsApplied, r.StatementsTotal)
	}
	took := ""
	if r.DurationSeconds > 0 {
		took = time.Duration(r.DurationSeconds * float64(time.Second)).Round(time.Millisecond).String()
	}
	fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", m.Version, m.Name, state, r.Started.UTC().Format(timeFormat), took, actor(r.User, r.Release))
}
