package pgtest

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Proxy forwards connections between clients and a server, on loopback. It counts round trips, and
// can add a network's latency.
type Proxy struct {
	listener net.Listener
	upstream string
	delay    time.Duration
	trips    atomic.Int64
	silent   atomic.Bool

	wg    sync.WaitGroup
	mu    sync.Mutex
	conns []net.Conn
}

// Proxied starts a proxy in front of d and returns d through it. The proxy delays data by delay in
// each direction, so that a round trip takes twice that longer. It stops when the test ends.
func (d *Database) Proxied(t testing.TB, delay time.Duration) (*Database, *Proxy) {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	require.NoError(t, err)
	p := &Proxy{listener: l, upstream: fmt.Sprintf("%s:%d", d.Host, d.Port), delay: delay}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		p.Cut()
		p.wg.Wait()
	})
	copied := *d
	copied.Port = l.Addr().(*net.TCPAddr).Port
	return &copied, p
}

// RoundTrips returns how often the server has waited for a client since authentication: at the end
// of each query, and when COPY requests its data.
func (p *Proxy) RoundTrips() int { return int(p.trips.Load()) }

// Silence drops all further data of every connection without closing it, as in a network failure.
func (p *Proxy) Silence() { p.silent.Store(true) }

// Cut closes all connections. New connections are possible.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("tcp", p.upstream)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		counter := &answerCounter{}
		p.forward(server, client, func([]byte) {})
		p.forward(client, server, func(data []byte) { p.trips.Add(counter.count(data)) })
	}
}

// forward copies data from one side to the other until one side is closed.
func (p *Proxy) forward(to, from net.Conn, see func([]byte)) {
	type chunk struct {
		data []byte
		due  time.Time
	}
	queue := make(chan chunk, 1<<10)
	p.wg.Go(func() {
		defer close(queue)
		for {
			data := make([]byte, 32<<10)
			n, err := from.Read(data)
			if err != nil {
				return
			}
			see(data[:n])
			queue <- chunk{data[:n], time.Now().Add(p.delay)}
		}
	})
	p.wg.Go(func() {
		for c := range queue {
			time.Sleep(time.Until(c.due))
			if p.silent.Load() {
				continue
			}
			if _, err := to.Write(c.data); err != nil {
				_ = from.Close() // ends the reader, which closes the queue
			}
		}
		_ = to.Close()
	})
}

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
