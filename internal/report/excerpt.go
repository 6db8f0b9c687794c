package report

import (
	"strings"
	"unicode/utf8"

	"github.com/shiplock/shiplock/internal/text"
)

// contextLines is the number of lines of a long statement shown above the position of the
// error, and below it.
const contextLines = 4

// excerpt returns a part of some SQL with a caret below an offset in bytes; -1 for none.
// caret is the number of the line that holds the caret, from 1, or 0.
func excerpt(sql string, at int) (shown string, caret int) {
	lines := strings.Split(strings.ReplaceAll(sql, "\r\n", " \n"), "\n") // of the same length
	mark, left := -1, 0
	if at >= 0 && at <= len(sql) {
		mark = strings.Count(sql[:at], "\n")
		left = at - strings.LastIndexByte(sql[:at], '\n') - 1
	}
	from, to := max(0, mark-contextLines), min(len(lines), max(0, mark)+contextLines+1)
	var out []string
	if from > 0 {
		out = append(out, "…")
	}
	for i := from; i < to; i++ {
		if i != mark {
			out = append(out, strings.TrimRight(text.Clip(text.Clean(lines[i]), maxLine), " "))
			continue
		}
		shown, indent := windowAround(lines[i], min(left, len(lines[i])))
		out = append(out, shown, strings.Repeat(" ", indent)+"^")
		caret = len(out)
	}
	if to < len(lines) {
		out = append(out, "…")
	}
	return strings.Join(out, "\n"), caret
}

// windowAround returns the part of a line that shows the given offset, and the number of
// columns to the left of that offset.
func windowAround(line string, at int) (shown string, indent int) {
	from, more := 0, ""
	if len(text.Clean(line[:at])) > maxLine/2 {
		for from = max(0, at-maxLine/4); from > 0 && !utf8.RuneStart(line[from]); from-- {
		}
		more = "…"
	}
	shown = text.Clip(more+text.Clean(line[from:]), maxLine)
	return strings.TrimRight(shown, " "), text.Width(more + text.Clean(line[from:at]))
}
