package progress

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

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
