package progress

import (
	"math"
	"time"
)

const (
	// window is the time over which a rate is measured, and minWindow the minimum of it.
	window, minWindow = time.Minute, 5 * time.Second
	// maxRateRatio is the maximum ratio of the rates of the two halves of the window.
	maxRateRatio = 1.5
)

// An Estimate estimates the remaining time of a phase. It is cautious: without a steady rate
// there is no estimate.
type Estimate struct {
	phase   string
	samples []sample
}

type sample struct {
	at   time.Time
	done float64
}

// Add records the completed fraction of a phase.
func (e *Estimate) Add(at time.Time, phase string, done float64) {
	if n := len(e.samples); phase != e.phase || n > 0 && done < e.samples[n-1].done {
		e.phase, e.samples = phase, nil
	}
	e.samples = append(e.samples, sample{at, done})
	for len(e.samples) > 2 && at.Sub(e.samples[1].at) >= window {
		e.samples = e.samples[1:]
	}
}

// Remaining returns the approximate remaining time of the phase, and false if it is unknown.
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
	if !(early > 0 && late > 0 && max(early, late) <= maxRateRatio*min(early, late)) { // also false for NaN
		return 0, false
	}
	seconds := (1 - last.done) / rate(first, last)
	return roundedUp(time.Duration(seconds * float64(time.Second))), true
}

// rate returns the fraction completed per second.
func rate(a, b sample) float64 {
	seconds := b.at.Sub(a.at).Seconds()
	if seconds <= 0 {
		return math.NaN()
	}
	return (b.done - a.done) / seconds
}

// roundedUp rounds a duration up to a precision that fits the estimate.
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
