package retry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errTemporary = errors.New("temporary")

// failing returns an operation that fails n times, and the times of its attempts.
func failing(n int, err error) (func() error, *[]time.Duration) {
	var at []time.Duration
	start := time.Now()
	return func() error {
		if at = append(at, time.Since(start)); len(at) <= n {
			return err
		}
		return nil
	}, &at
}

func TestDo_Success_ReturnsNil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		operation, at := failing(0, nil)
		require.NoError(t, Do(t.Context(), Policy{First: time.Second}, operation))
		assert.Equal(t, []time.Duration{0}, *at)
	})
}

func TestDo_ConstantPause_IsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		operation, at := failing(3, errTemporary)
		require.NoError(t, Do(t.Context(), Policy{First: time.Second}, operation))
		assert.Equal(t, []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}, *at)
	})
}

func TestDo_GrowingPause_IsBetweenHalfAndWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []int
		operation, at := failing(6, errTemporary)
		p := Policy{First: time.Second, Max: 5 * time.Second, OnRetry: func(_ error, n int, _ time.Duration) error {
			attempts = append(attempts, n)
			return nil
		}}
		require.NoError(t, Do(t.Context(), p, operation))
		for i, whole := range []time.Duration{1, 2, 4, 5, 5, 5} {
			pause := (*at)[i+1] - (*at)[i]
			assert.True(t, pause >= whole*time.Second/2-1 && pause <= whole*time.Second+1, "%d: %s", i, pause)
		}
		assert.Equal(t, []int{1, 2, 3, 4, 5, 6}, attempts)
	})
}

func TestDo_MinPause_DelaysNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		operation, at := failing(1, errTemporary)
		p := Policy{First: time.Second, Max: time.Second, MinPause: func(err error) time.Duration {
			assert.ErrorIs(t, err, errTemporary)
			return time.Minute
		}}
		require.NoError(t, Do(t.Context(), p, operation))
		assert.Equal(t, []time.Duration{0, time.Minute}, *at)
	})
}

func TestDo_PermanentError_ReturnedWithoutMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		operation, at := failing(5, Permanent(errTemporary))
		assert.Equal(t, errTemporary, Do(t.Context(), Policy{First: time.Second}, operation))
		assert.Len(t, *at, 1)
	})
}

func TestDo_OnRetryFails_EndsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("no retry")
		operation, at := failing(5, errTemporary)
		p := Policy{First: time.Second, OnRetry: func(_ error, n int, pause time.Duration) error {
			assert.Equal(t, time.Second, pause)
			if n == 2 {
				return refused
			}
			return nil
		}}
		assert.Equal(t, refused, Do(t.Context(), p, operation))
		assert.Equal(t, []time.Duration{0, time.Second}, *at)
	})
}

func TestDo_Limit_PreventsLateAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		operation, at := failing(100, errTemporary)
		err := Do(t.Context(), Policy{First: time.Second, Limit: 2500 * time.Millisecond}, operation)
		assert.Equal(t, &StoppedError{Err: errTemporary, Attempts: 3, Pause: time.Second}, err)
		assert.Equal(t, 2*time.Second, (*at)[2])
	})
}

func TestDo_ContextEnds_StopsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("stopped by a signal")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 1500*time.Millisecond, cause)
		defer cancel()
		start := time.Now()
		operation, _ := failing(100, errTemporary)
		err := Do(ctx, Policy{First: time.Second}, operation)
		assert.Equal(t, &StoppedError{Err: errTemporary, Cause: cause, Attempts: 2}, err)
		assert.Equal(t, 1500*time.Millisecond, time.Since(start))
		assert.ErrorIs(t, err, errTemporary)
		assert.Equal(t, cause, StopCause(err))
		assert.Equal(t, errTemporary, StopCause(errTemporary))
	})
}
