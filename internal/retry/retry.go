// Package retry repeats an operation until it succeeds. A Policy has the pauses between the
// attempts and the limits; Do runs the operation. Packages that wait for a server, a lock, a
// file, or a receiver of notifications call it.
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
	// OnRetry is called before each pause; nil for no call.
	OnRetry func(err error, attempt int, pause time.Duration)
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

// Permanent marks an error that another attempt cannot resolve. Do returns it without the mark.
func Permanent(err error) error { return backoff.Permanent(err) }

// Do calls operation until it returns nil or a permanent error, which Do returns, or until the
// context or the policy's limit ends the attempts, which is a *StoppedError. It calls operation
// at least once.
func Do(ctx context.Context, p Policy, operation func() error) error {
	s := &pauses{policy: p, next: p.pauses()}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		s.attempts++
		s.err = operation()
		return struct{}{}, s.err
	}, backoff.WithBackOff(s), backoff.WithMaxElapsedTime(p.Limit), backoff.WithNotify(func(err error, pause time.Duration) {
		s.pause = 0 // it fits within the limit
		if p.OnRetry != nil {
			p.OnRetry(err, s.attempts, pause)
		}
	}))
	var permanent *backoff.PermanentError
	if s.err == nil || errors.As(s.err, &permanent) {
		return err
	}
	stopped := &StoppedError{Err: s.err, Attempts: s.attempts, Pause: s.pause}
	if s.pause == 0 {
		stopped.Cause = context.Cause(ctx)
	}
	return stopped
}

func (p Policy) pauses() backoff.BackOff {
	if p.Max == 0 {
		return backoff.NewConstantBackOff(p.First)
	}
	// The library's pauses are around the interval: from 2/3 to 4/3 of 3/4 is from 1/2 to 1.
	return &backoff.ExponentialBackOff{InitialInterval: p.First * 3 / 4, MaxInterval: p.Max * 3 / 4, Multiplier: 2, RandomizationFactor: 1. / 3}
}

// pauses are the pauses of one call of Do, and its state.
type pauses struct {
	policy   Policy
	next     backoff.BackOff
	err      error         // of the last attempt
	attempts int           // so far
	pause    time.Duration // after the last attempt, until it is known to fit within the limit
}

func (s *pauses) Reset() { s.next.Reset() }

func (s *pauses) NextBackOff() time.Duration {
	s.pause = s.next.NextBackOff()
	if s.policy.MinPause != nil {
		s.pause = max(s.pause, s.policy.MinPause(s.err))
	}
	return s.pause
}
