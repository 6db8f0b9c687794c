package github

import (
	"errors"
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/notify"
)

// Limits of a step's summary: GitHub accepts 1 MiB, more than is readable.
const (
	maxFindings       = 200
	maxFindingDetails = 256 << 10 // bytes, of all of them together
)

// A Finding is an error or a note about a migration file.
type Finding struct {
	Kind     string // in a few words
	Failure  bool   // otherwise a note
	Position notify.Position
	Text     string // one line
	Detail   string // lines; may be empty
}

// Findings annotates each finding, and adds a table of all findings to the step's summary,
// below a heading. source is the migrations directory.
func (g *Runner) Findings(heading string, findings []Finding, source string) error {
	var errs []error
	for _, f := range findings {
		level := "notice"
		if f.Failure {
			level = "error"
		}
		errs = append(errs, g.command(level, g.path(source, f.Position.File), f.Position.Line, f.Position.Column, f.Position.File+": "+f.Kind, strings.TrimSpace(f.Text+"\n"+f.Detail)))
	}
	if g.summary != "" {
		if err := appendFile(g.summary, findingsTable(heading, findings)); err != nil {
			errs = append(errs, fmt.Errorf("GitHub step summary: %w", err))
		}
	}
	return errors.Join(errs...)
}

// findingsTable returns a Markdown table. Text of others is escaped: it can be neither
// Markdown nor HTML.
func findingsTable(heading string, findings []Finding) string {
	var table, details strings.Builder
	fmt.Fprintf(&table, "\n### %s\n\n", plainMarkdown(heading))
	for i, f := range findings {
		if i == 0 {
			table.WriteString("| found | | at | |\n|---|---|---|---|\n")
		}
		if i == maxFindings {
			fmt.Fprintf(&table, "\nand %d more, in the log\n", len(findings)-maxFindings)
			break
		}
		level := "note"
		if f.Failure {
			level = "**error**"
		}
		where := fmt.Sprintf("%s:%d", f.Position.File, f.Position.Line)
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", plainMarkdown(f.Kind), level, plainMarkdown(where), plainMarkdown(f.Text))
		if f.Detail != "" && details.Len()+len(f.Detail) <= maxFindingDetails {
			details.WriteString("\n" + plainMarkdown(where) + "\n\n" + fenced(f.Detail))
		}
	}
	return table.String() + details.String()
}
