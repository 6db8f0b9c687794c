package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

const (
	clients = 8
	think   = 10 * time.Millisecond // a client's pause between two queries
	bucket  = 100 * time.Millisecond
	warmUp  = 500 * time.Millisecond
	after   = time.Second // how long the load continues after the tool's end
)

// A latency has the duration of queries: for each bucket of time, the longest running query.
type latency struct {
	mu      sync.Mutex
	start   time.Time
	buckets map[int]time.Duration
	longest time.Duration
}

func (l *latency) record(began time.Time, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := int(began.Sub(l.start) / bucket); i <= int((began.Sub(l.start)+took)/bucket); i++ {
		l.buckets[i] = max(l.buckets[i], took)
	}
	l.longest = max(l.longest, took)
}

// points returns the points of a plot: seconds, and milliseconds.
func (l *latency) points() [][2]float64 {
	var out [][2]float64
	last := 0
	for i := range l.buckets {
		last = max(last, i)
	}
	for i := range last + 1 {
		if took, any := l.buckets[i]; any {
			out = append(out, [2]float64{float64(i) * bucket.Seconds(), took.Seconds() * 1000})
		}
	}
	return out
}

// A load is an application's load: clients that read and write single rows.
type load struct {
	latency
	cancel context.CancelFunc
	wg     sync.WaitGroup
	errs   chan error
}

func startLoad(t *testing.T, d *pgtest.Database) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{latency: latency{start: time.Now(), buckets: map[int]time.Duration{}}, cancel: cancel, errs: make(chan error, clients)}
	pool := d.Open(t)
	pool.SetMaxIdleConns(clients)
	var rows int
	require.NoError(t, pool.QueryRow("SELECT max(id) FROM accounts").Scan(&rows))
	for range clients {
		conn, err := pool.Conn(ctx)
		require.NoError(t, err)
		l.wg.Go(func() {
			defer conn.Close()
			for ctx.Err() == nil {
				query := fmt.Sprintf("SELECT balance FROM accounts WHERE id = %d", 1+rand.N(rows))
				if rand.N(2) == 0 {
					query = fmt.Sprintf("UPDATE accounts SET balance = balance + 1 WHERE id = %d", 1+rand.N(rows))
				}
				began := time.Now()
				_, err := conn.ExecContext(ctx, query)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					l.errs <- err
					return
				}
				l.record(began, time.Since(began))
				time.Sleep(think) // part of the load
			}
		})
	}
	return l
}

// warm waits until the clients run, and discards the duration of their first queries.
func (l *load) warm(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return time.Since(l.start) >= warmUp && len(l.buckets) > 0
	}, time.Minute, bucket)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.longest = 0
}

// stop ends the load. It fails the test if a query failed.
func (l *load) stop(t *testing.T) *latency {
	t.Helper()
	l.cancel()
	l.wg.Wait()
	close(l.errs)
	for err := range l.errs {
		require.NoError(t, err, "a query of the application")
	}
	return &l.latency
}
