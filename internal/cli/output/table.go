package output

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/shiplock/shiplock/internal/cli/sanitize"
)

// A table writes rows in aligned columns.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer) table { return table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

// row writes one row. Without cells, it writes an empty line, after which the columns are
// aligned again.
func (t table) row(cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		text[i] = cell(c)
	}
	fmt.Fprintln(t.w, strings.Join(text, "\t")) // Flush returns the error
}

func (t table) flush() error { return t.w.Flush() }

// cell returns the text of v, sanitized for one line of a terminal.
func cell(v any) string { return sanitize.Line(fmt.Sprint(v)) }

const timeFormat = "2006-01-02 15:04:05Z"

func timeText(t time.Time) string { return t.UTC().Format(timeFormat) }

// durationText returns a duration, or "" for 0: a run that has not ended has none.
func durationText(seconds float64) string {
	if seconds <= 0 {
		return ""
	}
	return duration(seconds).String()
}

func duration(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
}

// versionText returns a version, or "none" before the first migration.
func versionText(v *uint) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprint(*v)
}

// actor returns the user, followed by the release in parentheses if known.
func actor(user, release string) string {
	if release == "" {
		return user
	}
	return user + " (" + release + ")"
}
