package progress

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// gaugeWidth is the number of characters in a gauge.
const gaugeWidth = 20

func gauge(percent int) string {
	full := percent * gaugeWidth / 100
	return fmt.Sprintf("[%s%s] %d%%", strings.Repeat("#", full), strings.Repeat(".", gaugeWidth-full), percent)
}

// line returns the status as one line of at most width columns.
func (s Status) line(elapsed time.Duration, width int) string {
	facts := make([]Fact, 0, len(s.Facts)+1)
	for _, f := range s.Facts {
		if f.Bar = strings.TrimSpace(Clean(f.Bar)); f.Bar != "" {
			facts = append(facts, f)
		}
	}
	facts = append(facts, Fact{Bar: strings.TrimSpace(s.TimeName + " " + elapsed.Truncate(time.Second).String())})
	for {
		if text := join(facts); columns(text) <= width {
			return text
		}
		lowest := 0
		for i, f := range facts {
			if f.Rank >= facts[lowest].Rank {
				lowest = i
			}
		}
		if facts[lowest].Rank == 0 {
			return cut(join(facts), width)
		}
		full := facts[lowest]
		available := width - columns(join(facts)) + columns(full.Bar)
		if available >= minTruncated && !full.NoTruncate {
			facts[lowest].Bar = cut(full.Bar, available-columnsOf('…')) + "…"
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

// columns returns the most columns that a text may take. Each character from Hangul Jamo
// on, where the wide characters begin, counts as two: a line that is too short does no harm.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	if r >= 0x1100 {
		return 2
	}
	return 1
}

// cut truncates a text to width columns.
func cut(s string, width int) string {
	n := 0
	for i, r := range s {
		if n += columnsOf(r); n > width {
			return s[:i]
		}
	}
	return s
}
