package pgtest

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shiplock/shiplock/internal/test/tcp"
)

// A Proxy is a tcp.Proxy in front of a server that counts round trips.
type Proxy struct {
	*tcp.Proxy
	trips atomic.Int64
}

// Proxied starts a proxy in front of d and returns d through it. The proxy delays data by delay in
// each direction, so that a round trip takes twice that longer. It stops when the test ends.
func (d *Database) Proxied(t testing.TB, delay time.Duration) (*Database, *Proxy) {
	t.Helper()
	p := &Proxy{}
	p.Proxy = tcp.NewProxy(t, tcp.Options{
		Upstream: tcp.Upstream(fmt.Sprintf("%s:%d", d.Host, d.Port)), Delay: delay,
		OnConnect: func() func([]byte) {
			counter := &answerCounter{}
			return func(data []byte) { p.trips.Add(counter.count(data)) }
		},
	})
	copied := *d
	copied.Port = p.Port()
	return &copied, p
}

// RoundTrips returns how often the server has waited for a client since authentication: at the end
// of each query, and when COPY requests its data.
func (p *Proxy) RoundTrips() int { return int(p.trips.Load()) }

// An answerCounter counts the ends of answers in a server's data. Each message begins with a
// letter and its length (PostgreSQL manual, "Message Formats").
type answerCounter struct {
	header []byte
	skip   int
}

const (
	readyForQuery  = 'Z'
	copyInResponse = 'G'
)

func (a *answerCounter) count(data []byte) (n int64) {
	for len(data) > 0 {
		if a.skip > 0 {
			k := min(a.skip, len(data))
			a.skip, data = a.skip-k, data[k:]
			continue
		}
		k := min(5-len(a.header), len(data))
		a.header, data = append(a.header, data[:k]...), data[k:]
		if len(a.header) < 5 {
			continue
		}
		if a.header[0] == readyForQuery || a.header[0] == copyInResponse {
			n++
		}
		a.skip, a.header = int(binary.BigEndian.Uint32(a.header[1:]))-4, a.header[:0]
	}
	return n
}
