package progress

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/text"
)

// A Status is the state of an activity at one time.
type Status struct {
	Message  string // of the log line
	TimeName string // name of the elapsed time: "elapsed" if empty
	Facts    []Fact
}

// A Fact is one property of a status.
type Fact struct {
	// Name and Value are those of the log field; without a name it is not logged.
	Name  string
	Value any
	// Bar is the text on the bar; without it the fact is not on the bar. If the line is
	// too long, the facts of the highest Rank are removed first.
	Bar  string
	Rank int
	// NoTruncate facts are removed rather than truncated.
	NoTruncate bool
}

// Percent returns the fact of a completed fraction: 0.43 is 43 %.
func Percent(done float64) Fact {
	percent := int(100 * min(max(done, 0), 1))
	return Fact{Name: "percent", Value: percent, Bar: gauge(percent), Rank: 1, NoTruncate: true}
}

// gaugeWidth is the number of characters in a gauge.
const gaugeWidth = 20

func gauge(percent int) string {
	full := percent * gaugeWidth / 100
	return fmt.Sprintf("[%s%s] %d%%", strings.Repeat("#", full), strings.Repeat(".", gaugeWidth-full), percent)
}

func (s Status) attrs(elapsed time.Duration) []slog.Attr {
	name := s.TimeName
	if name == "" {
		name = "elapsed"
	}
	var out []slog.Attr
	for _, f := range s.Facts {
		if f.Name == "" {
			continue
		}
		if value, ok := f.Value.(string); ok {
			f.Value = text.CleanLine(value)
		}
		out = append(out, slog.Any(f.Name, f.Value))
	}
	return append(out, slog.Duration(name, elapsed.Round(10*time.Millisecond)))
}
