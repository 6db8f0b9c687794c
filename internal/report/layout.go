package report

import (
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// maxSize is Kubernetes' limit of a termination message, in bytes.
const maxSize = 4096

// String lays the card out for a log without colour.
func (c Report) String() string { return c.layout(plain) }

// Write lays the card out, in colour if the reader has it; see Coloured.
func (c Report) Write(w io.Writer, colour bool) error {
	look := plain
	if colour {
		look = colored
	}
	_, err := io.WriteString(w, c.layout(look))
	return err
}

// ColorEnabled says whether what is written to w is shown in colours: w is a terminal
// (or /dev/null, where it does not matter), and nobody has asked for none
// (https://no-color.org).
func ColorEnabled(w io.Writer, getenv func(string) string) bool {
	f, ok := w.(interface{ Stat() (fs.FileInfo, error) })
	if !ok || getenv("NO_COLOR") != "" || getenv("TERM") == "" || getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// style puts the codes of a terminal around the parts of a card.
type style struct{ title, name, strong, end string }

var (
	plain   = style{}
	colored = style{title: "\x1b[1;31m", name: "\x1b[2m", strong: "\x1b[1m", end: "\x1b[0m"}
)

func (c Report) layout(look style) string {
	width := 0
	for _, r := range c.Rows {
		width = max(width, columns(r.Name))
	}
	var b strings.Builder
	b.WriteString(look.title + "shiplock: " + c.Title + look.end + "\n")
	for _, r := range c.Rows {
		name := r.Name
		for i, line := range r.lines() {
			line = strings.TrimRight(line, " ")
			if r.Name == "next" || r.caret > 0 && i == r.caret-1 {
				line = look.strong + line + look.end
			}
			if name != "" {
				b.WriteString("  " + look.name + name + look.end)
			}
			if line != "" {
				if name == "" {
					b.WriteString("  ")
				}
				b.WriteString(strings.Repeat(" ", width-columns(name)+2) + line)
			}
			b.WriteString("\n")
			name = ""
		}
	}
	return b.String()
}

// lines are the row's text as it is shown.
func (r Row) lines() []string {
	var out []string
	for _, line := range strings.Split(strings.TrimRight(r.Text, "\n"), "\n") {
		switch {
		case r.Verbatim && r.Fold:
			out = append(out, fold(line)...)
		case r.Verbatim:
			out = append(out, Clip(line, maxLine))
		default:
			out = append(out, wrap(line)...)
		}
	}
	return out
}

// protectedRows are the rows that are never cut for the sake of others.
var protectedRows = []string{"migration", "state", "release", "next"}

// Bounds, in bytes, of what is not cut for the sake of others.
const (
	maxTitle        = 400
	maxProtectedRow = 600
)

// fit shortens the card until it is no longer than maxCard, laid out: always what
// is longest, and never the rows that say what to do now.
func (c Report) fit() Report {
	c.Title = Clip(c.Title, maxTitle)
	for i, r := range c.Rows {
		if slices.Contains(protectedRows, r.Name) {
			c.Rows[i].Text = Clip(r.Text, maxProtectedRow)
		} else if r.caret == 0 {
			c.Rows[i].Text = Clip(r.Text, maxSize)
		}
	}
	for len(c.String()) > maxSize {
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

// shorten takes lines, or a part of the only one; false when nothing is left. The
// line that has a caret below it stays.
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
		lines[0] = Clip(r.Text, len(r.Text)/2)
	} else {
		return false
	}
	r.Text = strings.Join(lines, "\n")
	return true
}
