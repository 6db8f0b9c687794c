package report

import (
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/text"
)

// MaxSize is Kubernetes' limit for a termination message, in bytes.
const MaxSize = 4096

// String returns the report laid out for a log, without color.
func (c Report) String() string { return c.layout(plain) }

// Write writes the report, in color if color is set; see ColorEnabled.
func (c Report) Write(w io.Writer, color bool) error {
	style := plain
	if color {
		style = colored
	}
	_, err := io.WriteString(w, c.layout(style))
	return err
}

// ColorEnabled reports whether output to w is shown in color: w is a terminal (or
// /dev/null, where it does not matter), and NO_COLOR is not set (https://no-color.org).
func ColorEnabled(w io.Writer, getenv func(string) string) bool {
	f, ok := w.(interface{ Stat() (fs.FileInfo, error) })
	if !ok || getenv("NO_COLOR") != "" || getenv("TERM") == "" || getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A style has the terminal codes that surround the parts of a report.
type style struct{ title, name, strong, end string }

var (
	plain   = style{}
	colored = style{title: "\x1b[1;31m", name: "\x1b[2m", strong: "\x1b[1m", end: "\x1b[0m"}
)

func (c Report) layout(s style) string {
	width := 0
	for _, r := range c.Rows {
		width = max(width, text.Width(r.Name))
	}
	var b strings.Builder
	b.WriteString(s.title + "shiplock: " + c.Title + s.end + "\n")
	for _, r := range c.Rows {
		name := r.Name
		for i, line := range r.lines() {
			line = strings.TrimRight(line, " ")
			if r.Name == "next" || r.caret > 0 && i == r.caret-1 {
				line = s.strong + line + s.end
			}
			if name != "" {
				b.WriteString("  " + s.name + name + s.end)
			}
			if line != "" {
				if name == "" {
					b.WriteString("  ")
				}
				b.WriteString(strings.Repeat(" ", width-text.Width(name)+2) + line)
			}
			b.WriteString("\n")
			name = ""
		}
	}
	return b.String()
}

// lines returns the row's text as it is shown.
func (r Row) lines() []string {
	var out []string
	for _, line := range strings.Split(strings.TrimRight(r.Text, "\n"), "\n") {
		switch {
		case r.Verbatim && r.Fold:
			out = append(out, fold(line)...)
		case r.Verbatim:
			out = append(out, text.Clip(line, maxLine))
		default:
			out = append(out, wrap(line)...)
		}
	}
	return out
}

// protectedRows are the rows that are not shortened to make space for others.
var protectedRows = []string{"migration", "state", "release", "next"}

// Limits, in bytes, of the parts that are not shortened to make space for others.
const (
	maxTitle        = 400
	maxProtectedRow = 600
)

// fit shortens the report until its layout is no longer than MaxSize: always the longest
// row, and never those in protectedRows.
func (c Report) fit() Report {
	c.Title = text.Clip(c.Title, maxTitle)
	for i, r := range c.Rows {
		if slices.Contains(protectedRows, r.Name) {
			c.Rows[i].Text = text.Clip(r.Text, maxProtectedRow)
		} else if r.caret == 0 {
			c.Rows[i].Text = text.Clip(r.Text, MaxSize)
		}
	}
	for len(c.String()) > MaxSize {
		longest := -1
		for i, r := range c.Rows {
			if !slices.Contains(protectedRows, r.Name) && (longest < 0 || len(r.Text) > len(c.Rows[longest].Text)) {
				longest = i
			}
		}
		if longest < 0 {
			break
		}
		if !c.Rows[longest].shorten() {
			c.Rows = slices.Delete(c.Rows, longest, longest+1)
		}
	}
	return c
}

// shorten removes lines, or a part of the only one. It reports whether there was anything
// to remove. The line above the caret stays.
func (r *Row) shorten() bool {
	lines := strings.Split(strings.TrimRight(r.Text, "\n"), "\n")
	if r.caret > 0 {
		above, below := r.caret-2, len(lines)-r.caret
		switch {
		case above+below == 0:
			return false
		case above >= below:
			lines = lines[1:]
			if r.caret--; above > 1 {
				lines[0] = "…"
			}
		case below == 1:
			lines = lines[:len(lines)-1]
		default:
			lines = append(lines[:len(lines)-2], "…")
		}
	} else if n := len(lines); n > 1 {
		lines = lines[:n-1-n/4]
		if n > 2 {
			lines = append(lines[:len(lines)-1], "…")
		}
	} else if len(r.Text) > 2*len("…") {
		lines[0] = text.Clip(r.Text, len(r.Text)/2)
	} else {
		return false
	}
	r.Text = strings.Join(lines, "\n")
	return true
}
