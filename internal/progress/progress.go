// Package progress reports the progress of long operations: on a terminal with a progress bar
// in its last line, in a log with lines at growing intervals. It does not report short
// operations.
package progress

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Intervals has the times at which progress is reported, from the start of an activity.
type Intervals struct {
	BarDelay   time.Duration // until the bar appears
	QueryDelay time.Duration // until the bar's facts are queried from the server
	// FirstLine is the time until the first log line, and the first interval between
	// lines. Each interval is twice the previous one, up to MaxInterval.
	FirstLine, MaxInterval time.Duration
}

// DefaultIntervals logs eleven lines in 40 minutes: after 10 s, 30 s, 1m10s, 2m30s, 5m10s and
// then every 5 minutes.
var DefaultIntervals = Intervals{BarDelay: time.Second, QueryDelay: 2 * time.Second, FirstLine: 10 * time.Second, MaxInterval: 5 * time.Minute}

const (
	redrawInterval  = 250 * time.Millisecond // so that the seconds on the bar do not jump
	refreshInterval = time.Second            // between two queries for the facts on the bar
)

// A Display shows the activities of one run. Its methods and those of Activity are safe for
// concurrent use. A nil Display shows nothing.
type Display struct {
	intervals Intervals
	log       *slog.Logger        // nil for no log
	term      *Terminal           // nil for no bar
	hide      func(string) string // hides secrets on the bar
	quiet     bool                // log each wait once, and no other progress

	mu      sync.Mutex
	running []*Activity
	stop    chan struct{}
	stopped sync.WaitGroup
}

// NewLog returns a display that writes to a log.
func NewLog(log *slog.Logger, pace Intervals) *Display { return &Display{log: log, intervals: pace} }

// NewQuiet returns a display that logs each wait once, and no other progress.
func NewQuiet(log *slog.Logger) *Display {
	return &Display{log: log, intervals: DefaultIntervals, quiet: true}
}

// NewBar returns a display with a bar on t, through which all other output must be written.
// The text on the bar passes through hide first. Close removes the bar.
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

// Close removes the bar.
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

// QueryDelay returns the time after which a statement's progress is queried from the server
// on a second connection; false means never.
func (d *Display) QueryDelay() (time.Duration, bool) {
	switch {
	case d == nil:
		return 0, false
	case d.term != nil:
		return d.intervals.QueryDelay, true
	}
	return d.intervals.FirstLine, !d.quiet && d.log != nil && d.log.Enabled(context.Background(), slog.LevelInfo)
}

// Start starts an activity that is shown once it takes long.
func (d *Display) Start() *Activity {
	if d == nil {
		return d.StartWait()
	}
	return d.start(d.intervals.FirstLine)
}

// StartWait starts an activity that is logged immediately.
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
		if since, status := a.since, a.status; a.shown && time.Since(since) >= d.intervals.BarDelay {
			d.term.Draw(func(width int) string { return status.line(time.Since(since), width) })
			return
		}
	}
	d.term.Draw(nil)
}

// An Activity is an operation or a wait.
type Activity struct {
	d     *Display
	since time.Time

	// The fields below are guarded by d.mu.
	next, interval time.Duration // until the next log line, and between log lines
	status         Status
	shown          bool
	last           time.Time
}

// Elapsed returns how long the activity has taken so far.
func (a *Activity) Elapsed() time.Duration { return time.Since(a.since) }

// Due reports whether Show would show a status now.
func (a *Activity) Due() bool {
	a.d.mu.Lock()
	defer a.d.mu.Unlock()
	return a.due()
}

func (a *Activity) due() bool {
	if a.d.term != nil {
		return !a.shown || time.Since(a.last) >= min(refreshInterval, a.d.intervals.MaxInterval)
	}
	if a.d.quiet && (a.interval > 0 || a.next > 0) {
		return false
	}
	return a.Elapsed() >= a.next
}

// Reset makes the next Show due, because the cause of the wait changed.
func (a *Activity) Reset() {
	a.d.mu.Lock()
	defer a.d.mu.Unlock()
	a.shown, a.next, a.interval = false, 0, 0
}

// Show sets the current status. A log gets a line only if one is due.
func (a *Activity) Show(s Status) {
	a.d.mu.Lock()
	defer a.d.mu.Unlock()
	if a.d.term != nil {
		s.Facts = slices.Clone(s.Facts)
		for i := range s.Facts {
			s.Facts[i].Bar = a.d.hide(s.Facts[i].Bar)
		}
		a.status, a.shown, a.last = s, true, time.Now()
		if slices.Contains(a.d.running, a) {
			a.d.draw()
		}
		return
	}
	if a.d.log == nil || !a.due() || !slices.Contains(a.d.running, a) {
		return
	}
	elapsed := a.Elapsed()
	if a.interval = min(2*a.interval, a.d.intervals.MaxInterval); a.interval == 0 {
		a.interval = a.d.intervals.FirstLine
	}
	if a.next += a.interval; a.next <= elapsed { // after a late call, wait for a full interval
		a.next = elapsed + a.interval
	}
	a.d.log.LogAttrs(context.Background(), slog.LevelInfo, s.Message, s.attrs(elapsed)...)
}

// End removes the activity from the display.
func (a *Activity) End() {
	a.d.mu.Lock()
	defer a.d.mu.Unlock()
	a.d.running = slices.DeleteFunc(a.d.running, func(b *Activity) bool { return a == b })
	if a.d.term != nil {
		a.d.draw()
	}
}
