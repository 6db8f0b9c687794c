package notify

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/shiplock/shiplock/internal/report"
)

// Limits of a step's summary: GitHub takes 1 MiB, and nobody reads that much.
const (
	maxFindings       = 200
	maxFindingDetails = 256 << 10 // bytes, of all of them together
)

// Finding is something found in a file of the migrations.
type Finding struct {
	Kind     string // in a few words
	Fault    bool   // else it is a note
	Position Position
	Text     string // one line
	Detail   string // lines; may be empty
}

// Findings makes an annotation of each, and a table of all in the step's summary,
// below a heading. source is the folder of the migrations.
func (g *GitHub) Findings(heading string, findings []Finding, source string) error {
	var errs []error
	for _, f := range findings {
		level := "notice"
		if f.Fault {
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

// findingsTable is Markdown. What is not ours can be neither Markdown nor HTML in it.
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
		if f.Fault {
			level = "**fault**"
		}
		where := fmt.Sprintf("%s:%d", f.Position.File, f.Position.Line)
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", plainMarkdown(f.Kind), level, plainMarkdown(where), plainMarkdown(f.Text))
		if f.Detail != "" && details.Len()+len(f.Detail) <= maxFindingDetails {
			details.WriteString("\n" + plainMarkdown(where) + "\n\n" + fenced(f.Detail))
		}
	}
	return table.String() + details.String()
}

// plainMarkdown is one line that means what it says: all but letters, digits and
// what is harmless in a text is written by its number.
func plainMarkdown(s string) string {
	var b strings.Builder
	for _, r := range report.Clip(oneLine(s), 500) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" .,;/-'\"", r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return b.String()
}

// fenced is a text in a fence that is longer than any within, so that nothing of it
// is taken for Markdown.
func fenced(text string) string {
	fence, run := 3, 0
	for _, r := range text {
		if run++; r != '`' {
			run = 0
		}
		fence = max(fence, run+1)
	}
	ticks := strings.Repeat("`", fence)
	return ticks + "text\n" + strings.TrimRight(text, "\n") + "\n" + ticks + "\n"
}

// appendFile adds text to a file.
func appendFile(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}
