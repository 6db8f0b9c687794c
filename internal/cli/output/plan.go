package output

import (
	"fmt"
	"io"
	"strings"

	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/text"
)

// Plan prints the result of migrator plan.
func Plan(w io.Writer, p migrator.Preview) error {
	t := newTable(w)
	t.row("database", p.Database)
	t.row("version", versionText(p.From))
	switch {
	case p.Newer:
		t.row("plan", "nothing to do: the database is ahead of the migration files")
		for _, m := range p.Ahead { // applied migrations that are not among the migration files
			t.row("unknown", fmt.Sprintf("%d %s", m.Version, m.Name))
		}
	case len(p.Steps) == 0:
		t.row("plan", "nothing to do")
	default:
		t.row("plan", fmt.Sprintf("%s, to version %s", stepCounts(p.Steps), versionText(p.To)))
		t.row()
		t.row("VERSION", "FILE", "STATEMENTS", "EXECUTION")
	}
	for _, s := range p.Steps {
		t.row(s.Version, s.File, s.Statements, execution(s))
	}
	return t.flush()
}

// stepCounts describes the number of steps in each direction. Steps down run first.
func stepCounts(steps []migrator.PreviewStep) string {
	down := 0
	for _, s := range steps {
		if s.Direction == "down" {
			down++
		}
	}
	switch up := len(steps) - down; {
	case down == 0:
		return text.Plural(up, "migration")
	case up == 0:
		return text.Plural(down, "migration") + " to roll back"
	default:
		return fmt.Sprintf("%s to roll back, then %d to apply", text.Plural(down, "migration"), up)
	}
}

// execution describes how a file runs: in one transaction, or statement by statement.
func execution(s migrator.PreviewStep) string {
	text := "one transaction"
	if !s.Transactional {
		text = "statement by statement"
	}
	if s.StatementsApplied > 0 {
		text += fmt.Sprintf(", resuming after statement %d", s.StatementsApplied)
	}
	return text
}

// Rollback prints the result of migrator down --dry-run.
func Rollback(w io.Writer, p migrator.Preview) error {
	t := newTable(w)
	t.row("database", p.Database)
	t.row("version", versionText(p.From))
	if len(p.Steps) == 0 {
		t.row("plan", "nothing to roll back")
		return t.flush()
	}
	t.row("plan", fmt.Sprintf("%s to roll back, to version %s", text.Plural(len(p.Steps), "migration"), versionText(p.To)))
	if err := t.flush(); err != nil {
		return err
	}
	var out strings.Builder
	for _, s := range p.Steps {
		rollbackStep(&out, s)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func rollbackStep(out *strings.Builder, s migrator.PreviewStep) {
	where := ""
	if s.FromHistory {
		where = ", from the history table"
	}
	fmt.Fprintf(out, "\n%d  %s%s: %s, %s\n", s.Version, cell(s.File), where, text.Plural(s.Statements, "statement"), execution(s))
	for line := range strings.Lines(s.SQL) {
		line = strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")
		fmt.Fprintf(out, "    %s\n", cell(line))
	}
	for _, l := range s.Loses {
		fmt.Fprintf(out, "    DATA LOSS: %s\n", cell(l))
	}
}
