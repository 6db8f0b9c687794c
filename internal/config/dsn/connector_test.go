package dsn

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

// A deadlineDialer fails exactly at the deadline, as a dialer may: before the context's timer fires.
type deadlineDialer struct{}

func (deadlineDialer) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	until, _ := ctx.Deadline()
	for time.Now().Before(until) {
		continue
	}
	return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
}

// TestConnector_DialTimesOut_ReturnsNoResponse checks that a canceled wait returns its own
// cause, and not that of the interrupted attempt.
func TestConnector_DialTimesOut_ReturnsNoResponse(t *testing.T) {
	d, err := Parse("postgres://app@127.0.0.1:1/shop?sslmode=disable")
	require.NoError(t, err)
	over := errors.New("the run has timed out")
	for range 500 {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Microsecond, over)
		_, err := d.Connector(deadlineDialer{}, time.Minute).Connect(ctx)
		cancel()
		require.ErrorIs(t, err, over)
	}
	_, err = d.Connector(deadlineDialer{}, time.Millisecond).Connect(t.Context())
	assert.ErrorContains(t, err, "no response from 127.0.0.1:1 within 1ms")
}
