package config

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// punctual ends at the deadline to the microsecond, as a dial may: before the context's timer has fired.
type punctual struct{}

func (punctual) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	until, _ := ctx.Deadline()
	for time.Now().Before(until) {
		continue
	}
	return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
}

// TestADialThatIsOutOfTimeIsNoAnswer: what ends a wait is its own end, and not that
// of the attempt it cut short. Whoever waits tells the last real reason then.
func TestADialThatIsOutOfTimeIsNoAnswer(t *testing.T) {
	d, err := ParseDSN("postgres://app@127.0.0.1:1/shop?sslmode=disable")
	require.NoError(t, err)
	over := errors.New("the run is out of time")
	for range 500 {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Microsecond, over)
		_, err := d.Connector(punctual{}, time.Minute).Connect(ctx)
		cancel()
		require.ErrorIs(t, err, over)
	}
	_, err = d.Connector(punctual{}, time.Millisecond).Connect(t.Context())
	assert.ErrorContains(t, err, "no response from 127.0.0.1:1 within 1ms")
}
