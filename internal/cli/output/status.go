package output

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/shiplock/shiplock/internal/status"
	"github.com/shiplock/shiplock/internal/text"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// Status prints the result of migrator status.
func Status(w io.Writer, st status.Status) error {
	t := newTable(w)
	t.row("database", st.Database)
	if st.Tool != nil {
		t.toolRun(*st.Tool)
	}
	if st.Tool == nil || len(st.Applied)+len(st.Pending) > 0 {
		t.files(st)
	}
	return t.flush()
}

func (t table) toolRun(r toolrun.ToolRun) {
	outcome := r.Outcome
	if r.Exit != "" {
		outcome += fmt.Sprintf(" (%s), took %s", r.Exit, duration(r.DurationSeconds))
	}
	t.row("tool", r.Command)
	t.row("last run", fmt.Sprintf("%s, %s, by %s, %s", outcome, timeText(r.Started), actor(r.User, r.Release), text.Plural(len(r.Changes), "schema change")))
}

// failure prints the outcome of the last run as in the title of its failure report.
func (t table) failure(f status.Failure) {
	outcome := map[string]string{"failed": "failed and was rolled back", "partially applied": "partially applied", "running": "interrupted or still running"}[f.Outcome]
	t.row("last run", fmt.Sprintf("version %d %s %s, %s, by %s", f.Version, f.Direction, cmp.Or(outcome, f.Outcome), timeText(f.Started), actor(f.User, f.Release)))
	t.row("reason", f.Error)
}

func (t table) files(st status.Status) {
	note := ""
	switch {
	case st.Dirty:
		note = ", DIRTY: a migration did not complete"
	case !st.VersionInFiles && *st.Version > st.Latest:
		note = ", ahead of the migration files"
	case !st.VersionInFiles:
		note = ", not in the migration files"
	}
	t.row("table", st.Table)
	t.row("version", versionText(st.Version)+note)
	t.row("files", fmt.Sprintf("up to version %d, %d pending", st.Latest, len(st.Pending)))
	if f := st.LastFailure; f != nil {
		t.failure(*f)
	}
	t.row()
	t.row("VERSION", "NAME", "STATE", "STARTED", "DURATION", "BY")
	for _, m := range st.Applied {
		t.migration(m, appliedState(st, m))
	}
	for _, m := range st.Pending {
		t.migration(m, "pending")
	}
}

func appliedState(st status.Status, m status.FileInfo) string {
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
	return state
}

// migration prints one migration with its last run.
func (t table) migration(m status.FileInfo, state string) {
	r := m.Run
	if r == nil {
		t.row(m.Version, m.Name, state, "", "", "")
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
	t.row(m.Version, m.Name, state, timeText(r.Started), durationText(r.DurationSeconds), actor(r.User, r.Release))
}
