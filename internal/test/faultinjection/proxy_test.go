package faultinjection

import (
	"sync"
	"testing"
	"time"

	"github.com/shiplock/shiplock/internal/test/tcp"
)

// A proxy is a tcp.Proxy between a tool and its server that counts the server's answers.
type proxy struct {
	*tcp.Proxy
	// connected is called at the first connection, and answered before the n-th answer
	// of the server is forwarded. Both are set before the tool starts.
	connected func()
	answered  func(n int)

	mu      sync.Mutex
	first   time.Time
	answers int
}

func newProxy(t *testing.T, upstream string) *proxy {
	t.Helper()
	p := &proxy{connected: func() {}, answered: func(int) {}}
	p.Proxy = tcp.NewProxy(t, tcp.Options{Upstream: tcp.Upstream(upstream), OnConnect: p.connect})
	return p
}

func (p *proxy) connect() func([]byte) {
	p.mu.Lock()
	first := p.first.IsZero()
	if first {
		p.first = time.Now()
	}
	p.mu.Unlock()
	if first {
		p.connected()
	}
	return func([]byte) { p.answered(p.count()) }
}

func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers++
	return p.answers
}

// stats returns the number of answers and the time since the first connection.
func (p *proxy) stats() (int, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers, time.Since(p.first)
}
