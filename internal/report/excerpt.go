package report

import (
	"strings"
	"unicode/utf8"
)

// contextLines is how many lines of a long statement are shown above the place
// of the error, and below.
const contextLines = 4

// excerpt shows SQL, with a caret under the place at an offset in bytes; -1 for
// none. caret is the number of the line that holds it, from 1, or 0.
func excerpt(sql string, at int) (text string, caret int) {
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
			out = append(out, strings.TrimRight(Clip(clean(lines[i]), maxLine), " "))
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

// windowAround shows a line so that the place at an offset is in sight, and tells how
// many columns are to the left of it.
func windowAround(line string, at int) (shown string, indent int) {
	from, more := 0, ""
	if len(clean(line[:at])) > maxLine/2 {
		for from = max(0, at-maxLine/4); from > 0 && !utf8.RuneStart(line[from]); from-- {
		}
		more = "…"
	}
	shown = Clip(more+clean(line[from:]), maxLine)
	return strings.TrimRight(shown, " "), columns(more + clean(line[from:at]))
}
