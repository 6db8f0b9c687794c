package progress

import (
	"log/slog"
	"strings"
	"time"
	"unicode"
)

// Status is what is known of an activity at one time.
type Status struct {
	Message  string // the log line's
	TimeName string // the name of the time it has taken: "elapsed" if empty
	Facts    []Fact
}

// Fact is one thing that is known.
type Fact struct {
	// Name and Value are a log's; without a name it is not logged.
	Name  string
	Value any
	// Bar is what a bar says; without it the fact is not on the bar. Where a line is
	// too long, the facts of the highest Rank leave it first.
	Bar  string
	Rank int
	// NoTruncate facts are not cut to what room there is.
	NoTruncate bool
}

// Percent is a fact of what part is done: 0.43 is 43 %.
func Percent(done float64) Fact {
	percent := int(100 * min(max(done, 0), 1))
	return Fact{Name: "percent", Value: percent, Bar: gauge(percent), Rank: 1, NoTruncate: true}
}

func (m Status) attrs(elapsed time.Duration) []slog.Attr {
	clock := m.TimeName
	if clock == "" {
		clock = "elapsed"
	}
	var out []slog.Attr
	for _, f := range m.Facts {
		if f.Name == "" {
			continue
		}
		if s, ok := f.Value.(string); ok {
			f.Value = Clean(s)
		}
		out = append(out, slog.Any(f.Name, f.Value))
	}
	return append(out, slog.Duration(clock, elapsed.Round(10*time.Millisecond)))
}

// Clean takes control characters out of what somebody else has written, a file's
// name or another session's query: it must not move the cursor, nor look like
// another line.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r':
			return ' '
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', unicode.Is(unicode.Cf, r):
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
