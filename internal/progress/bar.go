package progress

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// gaugeWidth is the number of signs in a gauge.
const gaugeWidth = 20

func gauge(percent int) string {
	full := percent * gaugeWidth / 100
	return fmt.Sprintf("[%s%s] %d%%", strings.Repeat("#", full), strings.Repeat(".", gaugeWidth-full), percent)
}

// line lays a moment out on one line of at most so many columns.
func (m Status) line(elapsed time.Duration, width int) string {
	facts := make([]Fact, 0, len(m.Facts)+1)
	for _, f := range m.Facts {
		if f.Bar = strings.TrimSpace(Clean(f.Bar)); f.Bar != "" {
			facts = append(facts, f)
		}
	}
	facts = append(facts, Fact{Bar: strings.TrimSpace(m.TimeName + " " + elapsed.Truncate(time.Second).String())})
	for {
		if text := join(facts); columns(text) <= width {
			return text
		}
		worst := 0
		for i, f := range facts {
			if f.Rank >= facts[worst].Rank {
				worst = i
			}
		}
		if facts[worst].Rank == 0 {
			return cut(join(facts), width)
		}
		full := facts[worst]
		room := width - columns(join(facts)) + columns(full.Bar)
		if room >= minTruncated && !full.NoTruncate {
			facts[worst].Bar = cut(full.Bar, room-columnsOf('…')) + "…"
			return join(facts)
		}
		facts = slices.Delete(facts, worst, worst+1)
	}
}

// minTruncated is how many columns of a fact are worth showing.
const minTruncated = 16

func join(facts []Fact) string {
	words := make([]string, len(facts))
	for i, f := range facts {
		words[i] = f.Bar
	}
	return strings.Join(words, "  ")
}

// columns is how many columns a text takes at most. From the Hangul on, where the
// wide characters begin, each counts two: a line that is too short does no harm.
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

// cut shortens a text to so many columns.
func cut(s string, width int) string {
	n := 0
	for i, r := range s {
		if n += columnsOf(r); n > width {
			return s[:i]
		}
	}
	return s
}
