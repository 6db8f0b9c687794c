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

// Row is one labelled fact; Text may have several lines.
type Row struct{ Name, Text string }

// maxCard is Kubernetes' limit of a termination message, in bytes.
const maxCard = 4096

// maxLine keeps one long line from filling a screen.
const maxLine = 200

// String lays the card out for a log without colour.
func (c Card) String() string {
	width := 0
	for _, r := range c.Rows {
		width = max(width, len(r.Name))
	}
	var b strings.Builder
	b.WriteString("shiplock: " + clean(c.Title) + "\n")
	for _, r := range c.Rows {
		for i, line := range strings.Split(strings.TrimRight(r.Text, "\n"), "\n") {
			name := r.Name
			if i > 0 {
				name = ""
			}
			line = "  " + name + strings.Repeat(" ", width-len(name)+2) + clip(clean(line), maxLine)
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
	return clip(b.String(), maxCard)
}

func (c *Card) add(name, text string) {
	if text != "" {
		c.Rows = append(c.Rows, Row{name, text})
	}
}

// redact hides what f knows to be secret, and every password in SQL.
func (c Card) redact(f func(string) string) Card {
	hide := func(s string) string { return sqlPassword.ReplaceAllString(f(s), "${1}'xxxxx'") }
	out := Card{Code: c.Code, Title: hide(c.Title)}
	for _, r := range c.Rows {
		out.add(r.Name, hide(r.Text))
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
