package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shiplock/shiplock/internal/progress"
)

// logInterval is the maximum time between two lines of a long step in a log.
const logInterval = 10 * time.Second

// A status shows the progress of long steps: on a terminal with a bar, otherwise with lines.
type status struct {
	out *os.File
	bar *progress.Terminal // nil if out is not a terminal
	// interval is the time between two lines.
	interval time.Duration
}

func newStatus(out *os.File) *status {
	s := &status{out: out, interval: logInterval}
	if terminal, ok := progress.NewTerminal(out); ok {
		s.bar = terminal
	}
	return s
}

// during shows the lines that step reports until it returns.
func (s *status) during(name string, step func(report func(line string)) error) error {
	if s.bar != nil {
		display := progress.NewBar(s.bar, progress.DefaultIntervals, func(text string) string { return text })
		defer display.Close()
		activity := display.Start()
		defer activity.End()
		activity.Show(facts(name))
		return step(func(line string) { activity.Show(facts(line)) })
	}
	l := &lineLog{out: s.out, interval: s.interval, last: name, start: time.Now(), printed: time.Now()}
	stop := l.repeat()
	defer stop()
	return step(l.report)
}

// fraction is the format of hack/progress.sh.
var fraction = regexp.MustCompile(`: (\d+) of (\d+) `)

// facts returns a line with its count, if it has one, as a status of the bar.
func facts(line string) progress.Status {
	var s progress.Status
	if m := fraction.FindStringSubmatch(line); m != nil {
		done, _ := strconv.ParseFloat(m[1], 64)
		if total, _ := strconv.ParseFloat(m[2], 64); total > 0 {
			percent := progress.Percent(done / total)
			percent.Rank = 0
			s.Facts = append(s.Facts, percent)
		}
	}
	s.Facts = append(s.Facts, progress.Fact{Bar: strings.TrimPrefix(line, "hack/node: "), Rank: 1})
	return s
}

// A lineLog prints the latest line of a step, at intervals.
type lineLog struct {
	out      *os.File
	interval time.Duration

	mu             sync.Mutex
	last           string
	start, printed time.Time
}

// report records a line. It is printed if the last one is older than the interval.
func (l *lineLog) report(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = line
	if time.Since(l.printed) >= l.interval {
		l.print()
	}
}

// print prints the last line. The caller holds l.mu.
func (l *lineLog) print() {
	l.printed = time.Now()
	fmt.Fprintf(l.out, "  %4.0fs  %s\n", time.Since(l.start).Seconds(), l.last)
}

// repeat prints the last line again whenever a step reports none for the interval.
func (l *lineLog) repeat() (stop func()) {
	ended := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		tick := time.NewTicker(l.interval / 4)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				l.mu.Lock()
				if time.Since(l.printed) >= l.interval {
					l.print()
				}
				l.mu.Unlock()
			}
		}
	})
	return func() {
		close(ended)
		wait.Wait()
	}
}
