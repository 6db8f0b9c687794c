// Package report turns the end of a run into an exit code and a card: the
// one-screen answer to "why did it fail".
package report

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Card is one diagnosis. Its words are the same wherever it is shown.
type Card struct {
	Code  int // exit code
	Title string
	Rows  []Row
}

// Row is one labelled fact. Text may have several lines, and is wrapped unless it
// is Verbatim, as SQL is. A long line of verbatim text is cut, unless it is to Fold.
type Row struct {
	Name, Text     string
	Verbatim, Fold bool
}

// maxCard is Kubernetes' limit of a termination message, in bytes.
const maxCard = 4096

// maxLine keeps one long line of SQL from filling a screen; wrapAt is where prose breaks.
const (
	maxLine = 200
	wrapAt  = 110
)

// String lays the card out for a log without colour.
func (c Card) String() string {
	width := 0
	for _, r := range c.Rows {
		width = max(width, len(r.Name))
	}
	var b strings.Builder
	b.WriteString("shiplock: " + clean(c.Title) + "\n")
	for _, r := range c.Rows {
		name := r.Name
		for _, line := range r.lines() {
			line = "  " + name + strings.Repeat(" ", width-len(name)+2) + line
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			name = ""
		}
	}
	return clip(b.String(), maxCard)
}

// lines are the row's text as it is shown.
func (r Row) lines() []string {
	var out []string
	for _, line := range strings.Split(strings.TrimRight(r.Text, "\n"), "\n") {
		line = clean(line)
		if r.Verbatim && r.Fold {
			out = append(out, fold(line)...)
			continue
		}
		if r.Verbatim {
			out = append(out, clip(line, maxLine))
			continue
		}
		out = append(out, wrap(line)...)
	}
	return out
}

// fold breaks a line before maxLine: behind a space, if there is one not far, or between characters.
func fold(line string) []string {
	var out []string
	for len(line) > maxLine {
		n := strings.LastIndexByte(line[:maxLine], ' ') + 1
		if n < maxLine/2 {
			for n = maxLine; !utf8.RuneStart(line[n]); n-- {
			}
		}
		out, line = append(out, line[:n]), line[n:]
	}
	return append(out, line)
}

// wrap breaks a line between words.
func wrap(line string) []string {
	var out []string
	current := ""
	for _, word := range strings.Fields(line) {
		if current != "" && utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > wrapAt {
			out, current = append(out, current), ""
		}
		if current != "" {
			current += " "
		}
		current += word
	}
	return append(out, current)
}

func (c *Card) add(name, text string) {
	if text != "" {
		c.Rows = append(c.Rows, Row{Name: name, Text: text})
	}
}

func (c *Card) addVerbatim(name, text string) {
	c.Rows = append(c.Rows, Row{Name: name, Text: text, Verbatim: true})
}

// addFolded adds what is not ours: it is shown as it is, and in full.
func (c *Card) addFolded(name, text string) {
	c.Rows = append(c.Rows, Row{Name: name, Text: text, Verbatim: true, Fold: true})
}

// redact hides what f knows to be secret, and every password in SQL.
func (c Card) redact(f func(string) string) Card {
	hide := func(s string) string { return sqlPassword.ReplaceAllString(f(s), "${1}'xxxxx'") }
	out := Card{Code: c.Code, Title: hide(c.Title)}
	for _, r := range c.Rows {
		r.Text = hide(r.Text)
		out.Rows = append(out.Rows, r)
	}
	return out
}

var sqlPassword = regexp.MustCompile(`(?i)(\bpassword\s+)'(?:[^']|'')*'?`)

// clean takes control characters out: what a server or a file says must not be
// able to move the cursor of whoever reads the log.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == '\n':
			return r
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', unicode.Is(unicode.Bidi_Control, r):
			return '\uFFFD'
		}
		return r
	}, s)
}

// clip shortens s to at most n bytes, between characters.
func clip(s string, n int) string {
	const more = "…"
	if len(s) <= n {
		return s
	}
	n -= len(more)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + more
}
