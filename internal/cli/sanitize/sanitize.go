// Package sanitize removes from texts what a terminal would interpret. Names and errors come
// from a database and from files, and may contain line breaks and control characters.
//
// Line is for table cells, Text for log attributes, which may have several lines, and JSON
// for encoded JSON. Package cli, and its packages output, console and outcome, call it.
package sanitize

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/shiplock/shiplock/internal/text"
)

// Line returns s on one line, without control characters.
func Line(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) && r != ' ' {
			return unicode.ReplacementChar
		}
		return r
	}, text.Replace(s, unicode.ReplacementChar, nil))
}

// Text replaces invisible characters, such as C1 controls and marks that change the writing
// direction. C0 controls remain: the log handlers, like encoders of JSON, escape them.
func Text(s string) string {
	return text.Replace(s, unicode.ReplacementChar, func(r rune) bool { return r < ' ' })
}

// JSON writes characters that JSON permits, and a terminal would interpret, as \uXXXX.
func JSON(encoded []byte) string {
	var out strings.Builder
	for _, r := range string(encoded) {
		if r == '\n' || unicode.IsPrint(r) {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.String()
}
