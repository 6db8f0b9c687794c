// Package text formats text for people: it replaces invisible characters, counts the columns of
// a terminal, shortens, and formats numbers. It is the lowest package and imports no other; all
// packages that print use it.
package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Replace replaces each invisible character of s, except those that keep accepts, with another
// one; a negative character removes them. Invisible are control characters, which could move
// the cursor of a terminal or look like another line, format characters such as marks that
// change the writing direction, line separators, and characters for private use.
func Replace(s string, with rune, keep func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) && (keep == nil || !keep(r)) {
			return with
		}
		return r
	}, s)
}

// isJoiner reports whether r is one of the invisible characters that names and emoji need.
func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// Clean replaces invisible characters of s with U+FFFD, which the reader should see, and tabs
// with spaces. Line breaks stay, and the joiners of names and emoji.
func Clean(s string) string {
	return Replace(strings.ReplaceAll(s, "\t", " "), utf8.RuneError, func(r rune) bool { return r == '\n' || isJoiner(r) })
}

// CleanLine returns s as one line: it replaces tabs and line breaks with spaces, and other
// invisible characters with U+FFFD.
func CleanLine(s string) string { return Replace(spaces.Replace(s), utf8.RuneError, nil) }

var spaces = strings.NewReplacer("\t", " ", "\n", " ", "\r", " ")

// OneLine returns the words of s, separated by one space. Invisible characters, except the
// joiners of names and emoji, separate words.
func OneLine(s string) string { return strings.Join(strings.Fields(Replace(s, ' ', isJoiner)), " ") }

// Width returns the number of terminal columns that s takes.
func Width(s string) int { return uniseg.StringWidth(s) }

// Truncate returns the start of s that fits in a number of terminal columns.
func Truncate(s string, columns int) string {
	n := 0
	for rest := s; rest != ""; {
		_, after, width, _ := uniseg.FirstGraphemeClusterInString(rest, -1)
		if n += width; n > columns {
			return s[:len(s)-len(rest)]
		}
		rest = after
	}
	return s
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

// Plural returns a number of things: "1 migration", "2 migrations".
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Bytes returns a number of bytes with a unit of powers of 1000: "1.5 MB".
func Bytes(bytes int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	n, i := float64(bytes), 0
	for ; n >= 1000 && i < len(units)-1; i++ {
		n /= 1000
	}
	if i == 0 || n >= 100 {
		return fmt.Sprintf("%.0f %s", n, units[i])
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}
