// Package progress shows what takes long: on a terminal by a line at its bottom that is
// drawn anew, in a log by lines at growing intervals. What is quick is not shown.
package progress

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Pace says when something is worth showing. All times count from its beginning.
type Pace struct {
	Draw time.Duration // the bar appears
	Look time.Duration // a terminal's bar is worth a connection that asks the server
	// First is a log's first line, and the first gap; each gap is twice the one
	// before, up to Most.
	First, Most time.Duration
}

// DefaultPace makes of 40 minutes eleven lines: after 10 s, 30 s, 1m10s, 2m30s, 5m10s
// and then every 5 minutes.
var DefaultPace = Pace{Draw: time.Second, Look: 2 * time.Second, First: 10 * time.Second, Most: 5 * time.Minute}

const (
	redraw = 250 * time.Millisecond // the seconds on the bar must not jump
	renew  = time.Second            // how often the facts on the bar are worth having anew
)

// Display shows the activities of one run. Its methods and theirs may be called from
// any goroutine. A nil one shows nothing.
type Display struct {
	pace  Pace
	log   *slog.Logger        // nil: nothing is logged
	term  *Terminal           // nil: there is no bar
	hide  func(string) string // takes secrets out of what is on the bar
	quiet bool                // what is waited for is said once, and work not at all

	mu      sync.Mutex
	running []*Activity
	stop    chan struct{}
	stopped sync.WaitGroup
}

// ToLog is a display for a log.
func ToLog(log *slog.Logger, pace Pace) *Display { return &Display{log: log, pace: pace} }

// Quiet is a display that says what is waited for once, and shows nothing else.
func Quiet(log *slog.Logger) *Display { return &Display{log: log, pace: DefaultPace, quiet: true} }

// OnTerminal is a display with a bar, for which t has to be what everything else is
// written to. What is on the bar goes through hide first. Close ends it.
func OnTerminal(t *Terminal, pace Pace, hide func(string) string) *Display {
	d := &Display{term: t, pace: pace, hide: hide, stop: make(chan struct{})}
	d.stopped.Go(func() {
		tick := time.NewTicker(redraw)
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

// Patience is after how long a statement is worth a connection that asks the server
// about it; false means never.
func (d *Display) Patience() (time.Duration, bool) {
	switch {
	case d == nil:
		return 0, false
	case d.term != nil:
		return d.pace.Look, true
	}
	return d.pace.First, !d.quiet && d.log != nil && d.log.Enabled(context.Background(), slog.LevelInfo)
}

// Work begins an activity that is shown once it takes long.
func (d *Display) Work() *Activity {
	if d == nil {
		return d.Wait()
	}
	return d.begin(d.pace.First)
}

// Wait begins an activity of which a log is told at once.
func (d *Display) Wait() *Activity { return d.begin(0) }

func (d *Display) begin(first time.Duration) *Activity {
	if d == nil {
		d = &Display{}
	}
	a := &Activity{d: d, since: time.Now(), next: first, gap: first}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = append(d.running, a)
	return a
}

// draw shows the newest activity that has something to show. The caller holds d.mu.
func (d *Display) draw() {
	for i := len(d.running) - 1; i >= 0; i-- {
		a := d.running[i]
		if since, moment := a.since, a.moment; a.shown && time.Since(since) >= d.pace.Draw {
			d.term.Draw(func(width int) string { return moment.line(time.Since(since), width) })
			return
		}
	}
	d.term.Draw(nil)
}
