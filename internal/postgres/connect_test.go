package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/postgres/wire"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/tcp"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// shortIntervals log the progress often.
var shortIntervals = progress.Intervals{QueryDelay: 50 * time.Millisecond, FirstLine: 50 * time.Millisecond, MaxInterval: 50 * time.Millisecond}

func testOptions(t *testing.T, url string) Options {
	t.Helper()
	dsn, err := dsn.Parse(url)
	require.NoError(t, err)
	return Options{DSN: dsn, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

func TestOpen_Errors_ArePermanentOrTransient(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	swap := func(old, new string) string { return strings.Replace(d.URL(), old, new, 1) }
	for _, c := range []struct {
		name, url, want string
		permanent       bool
	}{
		{"wrong password", swap("s3cret", "wrong"), "password authentication failed", true},
		{"no such role", swap("test", "missing"), "password authentication failed", true},
		{"no such database", swap("?sslmode", "-gone?sslmode"), "does not exist", true},
		{"no TLS", swap("sslmode=disable", "sslmode=require"), "SSL is not enabled", true},
		{"connection refused", swap(fmt.Sprint(":", d.Port), ":1"), "connection refused", false},
		{"no such host", swap("127.0.0.1", "no-such-host.invalid"), "no-such-host.invalid", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.NotEqual(t, d.URL(), c.url)
			o := testOptions(t, c.url)
			o.WaitForDB = time.Second
			start := time.Now()
			_, err := Open(t.Context(), o)
			var fail *ConnectError
			require.ErrorAs(t, err, &fail)
			assert.Contains(t, fail.Error(), c.want)
			assert.NotContains(t, fail.Error(), "s3cret")
			assert.Equal(t, c.permanent, fail.Permanent)
			if c.permanent {
				assert.Equal(t, 1, fail.Attempts)
			} else {
				assert.Greater(t, fail.Attempts, 1)
			}
			assert.Less(t, time.Since(start), time.Minute)
		})
	}
}

func TestOpen_OtherServer_IsReported(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-x\r\n", "R\xff\xff\xff\xff", "Nope", "-ERR unknown command\r\n"} {
		for _, mode := range []string{"disable", "prefer", "require"} {
			t.Run(answer[:4]+mode, func(t *testing.T) {
				t.Parallel()
				_, err := Open(t.Context(), testOptions(t, "postgres://u@"+tcp.Answer(t, answer)+"/d?sslmode="+mode))
				var fail *ConnectError
				require.ErrorAs(t, err, &fail)
				assert.True(t, mode != "disable" || errors.Is(err, wire.ErrNotPostgres), "%v", err)
			})
		}
	}
}

// The address of a new Service may lead to another server at first.
func TestOpen_OtherServerAtFirst_Retries(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	other, server := tcp.Answer(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), net.JoinHostPort(d.Host, strconv.Itoa(d.Port))
	proxy := tcp.NewProxy(t, tcp.Options{Upstream: func(n int) string {
		if n < 2 {
			return other
		}
		return server
	}})
	proxied := *d
	proxied.Port = proxy.Port()
	o := testOptions(t, proxied.URL())
	o.WaitForDB = time.Minute
	db, err := Open(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func TestOpen_TooManyConnections_Retries(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, fmt.Sprintf(`ALTER ROLE %q CONNECTION LIMIT 0`, d.User)) // SQLSTATE 53300
	var log fixture.Log
	o := testOptions(t, d.URL())
	o.WaitForDB, o.Log = time.Minute, log.Logger()
	o.Progress = progress.NewLog(o.Log, shortIntervals)
	opened := make(chan error, 1)
	go func() {
		db, err := Open(t.Context(), o)
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	log.Wait(t, "waiting for the database")
	require.Empty(t, opened, "Open must wait")
	d.Exec(t, fmt.Sprintf(`ALTER ROLE %q CONNECTION LIMIT -1`, d.User))
	require.NoError(t, <-opened)
}

func TestOpen_Canceled_Stops(t *testing.T) {
	t.Parallel()
	o := testOptions(t, "postgres://u@127.0.0.1:1/x")
	o.WaitForDB = time.Minute
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(assert.AnError)
	_, err := Open(ctx, o)
	assert.ErrorIs(t, err, assert.AnError)
}

// errors.As does not recognize lib/pq's error for a connection reset during the handshake.
func TestOpen_ConnectionReset_IsTransient(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*net.TCPConn).SetLinger(0) // close by reset
			_ = c.Close()
		}
	}()
	for range 20 {
		o := testOptions(t, "postgres://u@"+l.Addr().String()+"/d?sslmode=disable")
		_, err := Open(t.Context(), o)
		var fail *ConnectError
		require.ErrorAs(t, err, &fail)
		assert.False(t, fail.Permanent, "%v", err)
	}
}
