// Package progress shows what takes long: on a terminal by a line at its bottom that is
// drawn anew, in a log by lines at growing intervals. What is quick is not shown.
package progress

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Intervals says when something is worth showing. All times count from its beginning.
type Intervals struct {
	BarDelay   time.Duration // the bar appears
	QueryDelay time.Duration // a terminal's bar is worth a connection that asks the server
	// FirstLine is a log's first line, and the first gap; each gap is twice the one
	// before, up to Most.
	FirstLine, MaxInterval time.Duration
}

// DefaultIntervals makes of 40 minutes eleven lines: after 10 s, 30 s, 1m10s, 2m30s, 5m10s
// and then every 5 minutes.
var DefaultIntervals = Intervals{BarDelay: time.Second, QueryDelay: 2 * time.Second, FirstLine: 10 * time.Second, MaxInterval: 5 * time.Minute}

const (
	redrawInterval  = 250 * time.Millisecond // the seconds on the bar must not jump
	refreshInterval = time.Second            // how often the facts on the bar are worth having anew
)

// Display shows the activities of one run. Its methods and theirs may be called from
// any goroutine. A nil one shows nothing.
type Display struct {
	intervals Intervals
	log       *slog.Logger        // nil: nothing is logged
	term      *Terminal           // nil: there is no bar
	hide      func(string) string // takes secrets out of what is on the bar
	quiet     bool                // what is waited for is said once, and work not at all

	mu      sync.Mutex
	running []*Activity
	stop    chan struct{}
	stopped sync.WaitGroup
}

// NewLog is a display for a log.
func NewLog(log *slog.Logger, pace Intervals) *Display { return &Display{log: log, intervals: pace} }

// NewQuiet is a display that says what is waited for once, and shows nothing else.
func NewQuiet(log *slog.Logger) *Display {
	return &Display{log: log, intervals: DefaultIntervals, quiet: true}
}

// NewBar is a display with a bar, for which t has to be what everything else is
// written to. What is on the bar goes through hide first. Close ends it.
func NewBar(t *Terminal, pace Intervals, hide func(string) string) *Display {
	d := &Display{term: t, intervals: pace, hide: hide, stop: make(chan struct{})}
	d.stopped.Go(func() {
		tick := time.NewTicker(redrawInterval)
		defer tick.Stop()
		for {
			select {
			case <-d.stop:
				return
			case <-tick.C:
				d.mu.Lock()
				d.draw()
				d.mu.Unlock()
			}
		}
	})
	return d
}

// Close leaves nothing of the bar behind.
func (d *Display) Close() {
	if d.term == nil {
		return
	}
	d.mu.Lock()
	d.running = nil
	d.mu.Unlock()
	select {
	case <-d.stop:
	default:
		close(d.stop)
	}
	d.stopped.Wait()
	d.term.Draw(nil)
}

// QueryDelay is after how long a statement is worth a connection that asks the server
// about it; false means never.
func (d *Display) QueryDelay() (time.Duration, bool) {
	switch {
	case d == nil:
		return 0, false
	case d.term != nil:
		return d.intervals.QueryDelay, true
	}
	return d.intervals.FirstLine, !d.quiet && d.log != nil && d.log.Enabled(context.Background(), slog.LevelInfo)
}

// Start begins an activity that is shown once it takes long.
func (d *Display) Start() *Activity {
	if d == nil {
		return d.StartWait()
	}
	return d.start(d.intervals.FirstLine)
}

// StartWait begins an activity of which a log is told at once.
func (d *Display) StartWait() *Activity { return d.start(0) }

func (d *Display) start(first time.Duration) *Activity {
	if d == nil {
		d = &Display{}
	}
	a := &Activity{d: d, since: time.Now(), next: first, interval: first}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = append(d.running, a)
	return a
}

// draw shows the newest activity that has something to show. The caller holds d.mu.
func (d *Display) draw() {
	for i := len(d.running) - 1; i >= 0; i-- {
		a := d.running[i]
		if since, moment := a.since, a.status; a.shown && time.Since(since) >= d.intervals.BarDelay {
			d.term.Draw(func(width int) string { return moment.line(time.Since(since), width) })
			return
		}
	}
	d.term.Draw(nil)
}
