package report

import (
	"strings"
	"unicode/utf8"

	"github.com/shiplock/shiplock/internal/text"
)

// maxLine is the length, in bytes, at which a line of SQL is cut; wrapAt is the column at
// which prose wraps.
const (
	maxLine = 200
	wrapAt  = 110
)

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
		if current != "" && text.Width(current)+1+text.Width(word) > wrapAt {
			out, current = append(out, current), ""
		}
		if current != "" {
			current += " "
		}
		current += word
	}
	return append(out, current)
}
