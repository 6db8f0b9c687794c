package progress

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// Activity is one piece of work, or one wait.
type Activity struct {
	d     *Display
	since time.Time

	// All that follows is guarded by d.mu.
	next, interval time.Duration // of the log
	status         Status
	shown          bool
	last           time.Time
}

// Elapsed is how long it has taken.
func (a *Activity) Elapsed() time.Duration { return time.Since(a.since) }

// Due says that new facts are worth having, because Show would show them now.
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

// Reset makes the next Show due: what is waited for is another thing now.
func (a *Activity) Reset() {
	a.d.mu.Lock()
	defer a.d.mu.Unlock()
	a.shown, a.next, a.interval = false, 0, 0
}

// Show gives the facts of this moment. A log gets them if a line is due.
func (a *Activity) Show(m Status) {
	a.d.mu.Lock()
	defer a.d.mu.Unlock()
	if a.d.term != nil {
		m.Facts = slices.Clone(m.Facts)
		for i := range m.Facts {
			m.Facts[i].Bar = a.d.hide(m.Facts[i].Bar)
		}
		a.status, a.shown, a.last = m, true, time.Now()
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
	if a.next += a.interval; a.next <= elapsed { // who shows seldom is not to hurry then
		a.next = elapsed + a.interval
	}
	a.d.log.LogAttrs(context.Background(), slog.LevelInfo, m.Message, m.attrs(elapsed)...)
}

// End takes the activity from the display.
func (a *Activity) End() {
	a.d.mu.Lock()
	defer a.d.mu.Unlock()
	a.d.running = slices.DeleteFunc(a.d.running, func(b *Activity) bool { return a == b })
	if a.d.term != nil {
		a.d.draw()
	}
}
