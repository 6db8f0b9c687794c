package progress

import (
	"math"
	"time"
)

const (
	// window is how far back a rate looks, and shortest how far at least.
	window, minWindow = time.Minute, 5 * time.Second
	// maxRateRatio is how many times faster one half of the window may be than the other.
	maxRateRatio = 1.5
)

// Estimate tells how long a phase may take yet. It is cautious: where the rate is
// not steady it says nothing.
type Estimate struct {
	phase   string
	samples []sample
}

type sample struct {
	at   time.Time
	done float64
}

// Add takes in which part of a phase is done.
func (e *Estimate) Add(at time.Time, phase string, done float64) {
	if n := len(e.samples); phase != e.phase || n > 0 && done < e.samples[n-1].done {
		e.phase, e.samples = phase, nil
	}
	e.samples = append(e.samples, sample{at, done})
	for len(e.samples) > 2 && at.Sub(e.samples[1].at) >= window {
		e.samples = e.samples[1:]
	}
}

// Remaining is about how long the phase takes yet; false where nobody can tell.
func (e *Estimate) Remaining() (time.Duration, bool) {
	n := len(e.samples)
	if n < 3 || e.samples[n-1].at.Sub(e.samples[0].at) < minWindow {
		return 0, false
	}
	first, last := e.samples[0], e.samples[n-1]
	middle := first
	for _, s := range e.samples[1 : n-1] {
		if s.at.Sub(first.at) <= last.at.Sub(first.at)/2 || middle == first {
			middle = s
		}
	}
	early, late := rate(first, middle), rate(middle, last)
	if !(early > 0 && late > 0 && max(early, late) <= maxRateRatio*min(early, late)) { // also false for a rate that is no number
		return 0, false
	}
	seconds := (1 - last.done) / rate(first, last)
	return roundedUp(time.Duration(seconds * float64(time.Second))), true
}

// rate is which part is done in a second.
func rate(a, b sample) float64 {
	seconds := b.at.Sub(a.at).Seconds()
	if seconds <= 0 {
		return math.NaN()
	}
	return (b.done - a.done) / seconds
}

// roundedUp rounds up, so that it promises no more than it knows.
func roundedUp(d time.Duration) time.Duration {
	unit := 5 * time.Second
	switch {
	case d > time.Hour:
		unit = 10 * time.Minute
	case d > 2*time.Minute:
		unit = time.Minute
	}
	return (d + unit - 1) / unit * unit
}
