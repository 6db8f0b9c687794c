package migrator_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/test/fixture"
)

// TestUp_CanceledOnUnresponsiveNetwork_ReturnsSoon covers lib/pq, which sends a cancel
// request and then waits for a response that never arrives.
func TestUp_CanceledOnUnresponsiveNetwork_ReturnsSoon(t *testing.T) {
	t.Parallel()
	for name, why := range map[string]error{
		"signal":  &interrupt.SignalError{Signal: syscall.SIGTERM},
		"timeout": &interrupt.TimeoutError{Limit: time.Second},
		"watched": &interrupt.SignalError{Signal: syscall.SIGTERM}, // by a second session, on the same network
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			waitForBlocked, release := holdAdvisoryLock(t, d)
			proxied, proxy := d.Proxied(t, 0)
			o := newOptions(t, proxied, fixture.Files(t, blockingMigration))
			var log *fixture.Log
			if name == "watched" {
				o, log = withFrequentProgress(o)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan error, 1)
			go func() {
				_, err := migrator.Up(ctx, o)
				ended <- err
			}()
			waitForBlocked()
			if log != nil {
				log.Wait(t, "migration is running", "wait", "Lock: advisory")
			}
			proxy.Silence()
			cancel(why)
			select {
			case err := <-ended:
				require.ErrorIs(t, err, why)
			case <-time.After(30 * time.Second): // a stop is promised to take 5 s at most, and a test may have to wait for the machine
				assert.Fail(t, "still waiting for the server")
			}
			release()
		})
	}
}
