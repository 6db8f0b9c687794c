// Package retry repeats an operation until it succeeds. A Policy has the pauses between the
// attempts and the limits; Do runs the operation. Packages that wait for a server, a lock, a
// file, or a receiver of notifications call it. A loop of another shape, such as that of package
// executor, takes the pauses of a Policy, and waits with Sleep.
package retry

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A Policy has the pauses between attempts and the limits.
type Policy struct {
	// First is the first pause. With Max, the pause doubles up to Max, and is random between
	// half of it and the whole, so that fifty pods do not retry at the same time. Without Max,
	// all pauses are equal to First.
	First, Max time.Duration
	// MinPause returns the minimum pause after an error, such as that of a Retry-After header;
	// nil for none.
	MinPause func(error) time.Duration
	// Limit is the maximum time from the first attempt to the start of the last one, 0 for none.
	Limit time.Duration
	// OnRetry is called before each pause. An error that it returns ends the attempts. nil for
	// no call.
	OnRetry func(err error, attempt int, pause time.Duration) error
}

// A StoppedError means that there were no more attempts, because the context ended, or because
// the next attempt would start after the policy's limit.
type StoppedError struct {
	Err      error         // of the last attempt
	Cause    error         // why the context ended; nil for the limit
	Attempts int           // so far
	Pause    time.Duration // until the attempt that the limit prevented
}

func (e *StoppedError) Error() string { return e.Err.Error() }

func (e *StoppedError) Unwrap() error { return e.Err }

// StopCause returns why the context ended, if err is a *StoppedError because of that, and else err.
func StopCause(err error) error {
	var stopped *StoppedError
	if errors.As(err, &stopped) && stopped.Cause != nil {
		return stopped.Cause
	}
	return err
}

// Permanent marks an error that another attempt cannot resolve. Do returns it without the mark.
func Permanent(err error) error { return backoff.Permanent(err) }

// Do calls operation until it returns nil or a permanent error, which Do returns, until OnRetry
// returns an error, which Do returns, or until the context or the policy's limit ends the attempts,
// which is a *StoppedError. It calls operation at least once.
func Do(ctx context.Context, p Policy, operation func() error) error {
	start, next := time.Now(), p.Pauses()
	for attempt := 1; ; attempt++ {
		err := operation()
		var permanent *backoff.PermanentError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &permanent):
			return permanent.Unwrap()
		case ctx.Err() != nil:
			return &StoppedError{Err: err, Cause: context.Cause(ctx), Attempts: attempt}
		}
		pause := next()
		if p.MinPause != nil {
			pause = max(pause, p.MinPause(err))
		}
		if p.Limit > 0 && time.Since(start)+pause > p.Limit {
			return &StoppedError{Err: err, Attempts: attempt, Pause: pause}
		}
		if p.OnRetry != nil {
			if err := p.OnRetry(err, attempt, pause); err != nil {
				return err
			}
		}
		if cause := Sleep(ctx, pause); cause != nil {
			return &StoppedError{Err: err, Cause: cause, Attempts: attempt}
		}
	}
}

// Pauses returns a function that returns the pauses one after the other.
func (p Policy) Pauses() (next func() time.Duration) {
	if p.Max == 0 {
		return backoff.NewConstantBackOff(p.First).NextBackOff
	}
	// The library's pauses are around the interval: from 2/3 to 4/3 of 3/4 is from 1/2 to 1.
	growing := &backoff.ExponentialBackOff{InitialInterval: p.First * 3 / 4, MaxInterval: p.Max * 3 / 4, Multiplier: 2, RandomizationFactor: 1. / 3}
	return growing.NextBackOff
}

// Sleep waits for d, or until ctx ends; then it returns its cause.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
