package faultinjection

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A proxy forwards the connections between a tool and its server, on loopback. It counts the
// server's answers, and drops messages or resets connections on request.
type proxy struct {
	ln       net.Listener
	upstream string
	// connected is called at the first connection, and answered before the n-th answer
	// of the server is forwarded. Both are set before the tool starts.
	connected func()
	answered  func(n int)

	wg      sync.WaitGroup
	mu      sync.Mutex
	links   map[*link]bool
	first   time.Time
	answers int
}

// A link is a connection through the proxy.
type link struct {
	client, server *net.TCPConn
	mu             sync.Mutex
	// requests and replies report whether that direction's messages are dropped.
	requests, replies bool
}

func newProxy(t *testing.T, upstream string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{ln: ln, upstream: upstream, links: map[*link]bool{}, connected: func() {}, answered: func(int) {}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		require.NoError(t, p.ln.Close())
		p.each(func(l *link) { l.reset(l.client); l.reset(l.server) })
		p.wg.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.ln.Addr().String() }

func (p *proxy) accept() {
	for {
		conn, err := p.ln.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.connect(conn.(*net.TCPConn)) })
	}
}

// connect connects a client to the server. If the server does not answer, it resets the
// client's connection, as the server would.
func (p *proxy) connect(client *net.TCPConn) {
	l := &link{client: client}
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		l.reset(client)
		return
	}
	l.server = server.(*net.TCPConn)
	p.mu.Lock()
	p.links[l] = true
	first := p.first.IsZero()
	if first {
		p.first = time.Now()
	}
	p.mu.Unlock()
	if first {
		p.connected()
	}
	p.wg.Go(func() { l.forward(l.server, l.client, func() {}, &l.requests) })
	l.forward(l.client, l.server, p.count, &l.replies)
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

func (p *proxy) count() {
	p.mu.Lock()
	p.answers++
	n := p.answers
	p.mu.Unlock()
	p.answered(n)
}

func (p *proxy) each(inject func(*link)) {
	p.mu.Lock()
	var links []*link
	for l := range p.links {
		links = append(links, l)
	}
	p.mu.Unlock()
	for _, l := range links {
		inject(l)
	}
}

// forward copies data from one side to the other until one side is closed. It then closes
// the other side in the same way.
func (l *link) forward(to, from *net.TCPConn, stats func(), dropped *bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			stats()
			if !l.drops(dropped) {
				if _, err := to.Write(buffer[:n]); err != nil {
					return
				}
			}
		}
		if err != nil {
			if !l.drops(dropped) { // a direction that drops messages does not report its end either
				_ = to.Close()
			}
			return
		}
	}
}

func (l *link) drops(which *bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *which
}

// drop drops all further messages of one or both directions.
func (l *link) drop(requests, replies bool) {
	l.mu.Lock()
	l.requests, l.replies = l.requests || requests, l.replies || replies
	l.mu.Unlock()
}

// reset closes one side with a RST.
func (l *link) reset(side *net.TCPConn) {
	if err := side.SetLinger(0); err != nil && !errors.Is(err, net.ErrClosed) {
		return
	}
	_ = side.Close()
}

// stats returns the number of answers and the time since the first connection.
func (p *proxy) stats() (int, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers, time.Since(p.first)
}
