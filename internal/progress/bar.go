package progress

import (
	"slices"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/text"
)

// line returns the status as one line of at most width columns.
func (s Status) line(elapsed time.Duration, width int) string {
	facts := make([]Fact, 0, len(s.Facts)+1)
	for _, f := range s.Facts {
		if f.Bar = strings.TrimSpace(text.CleanLine(f.Bar)); f.Bar != "" {
			facts = append(facts, f)
		}
	}
	facts = append(facts, Fact{Bar: strings.TrimSpace(s.TimeName + " " + elapsed.Truncate(time.Second).String())})
	for {
		if line := join(facts); text.Width(line) <= width {
			return line
		}
		lowest := 0
		for i, f := range facts {
			if f.Rank >= facts[lowest].Rank {
				lowest = i
			}
		}
		if facts[lowest].Rank == 0 {
			return text.Truncate(join(facts), width)
		}
		full := facts[lowest]
		available := width - text.Width(join(facts)) + text.Width(full.Bar)
		if available >= minTruncated && !full.NoTruncate {
			facts[lowest].Bar = text.Truncate(full.Bar, available-text.Width("…")) + "…"
			return join(facts)
		}
		facts = slices.Delete(facts, lowest, lowest+1)
	}
}

// minTruncated is the smallest number of columns to which a fact is truncated.
const minTruncated = 16

func join(facts []Fact) string {
	words := make([]string, len(facts))
	for i, f := range facts {
		words[i] = f.Bar
	}
	return strings.Join(words, "  ")
}
