package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// maxLine is the length, in bytes, at which a line of SQL is cut; wrapAt is the column at
// which prose wraps.
const (
	maxLine = 200
	wrapAt  = 110
)

// clean replaces control characters, which could move the cursor of a terminal, and
// invisible ones, which the reader should see. A joiner stays: names and emoji use it.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == '\n', r == '\u200c', r == '\u200d':
			return r
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', unicode.In(r, unicode.Cf, unicode.Co):
			return utf8.RuneError
		}
		return r
	}, s)
}

// oneLine returns a text without line breaks.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// columns returns the number of terminal columns that s takes.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	if r < 0x7f {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
		return 2
	}
	return 1
}

// fold breaks a line before maxLine: after a nearby space, or between characters.
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
		if current != "" && columns(current)+1+columns(word) > wrapAt {
			out, current = append(out, current), ""
		}
		if current != "" {
			current += " "
		}
		current += word
	}
	return append(out, current)
}

// Clip shortens s to at most n bytes, between characters.
func Clip(s string, n int) string {
	const more = "…"
	if len(s) <= n {
		return s
	}
	n = max(0, n-len(more))
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + more
}

// invisible describes the first character of some SQL that is invisible, or looks like a
// space without being one. It returns "" if there is none.
func invisible(sql string) string {
	for i, r := range sql {
		if r > 0x7f && (unicode.Is(unicode.Cf, r) || unicode.IsSpace(r)) {
			return fmt.Sprintf("line %d of the SQL has an invisible character, or one that only looks like a space, U+%04X; retype it", 1+strings.Count(sql[:i], "\n"), r)
		}
	}
	return ""
}
