// Package tcp has network peers for tests, on loopback. A Proxy forwards connections to a server: it
// can delay data, drop it, and close or reset connections. Answer is a server that answers everything
// with the same bytes. Package pgtest and the fault-injection tests put a Proxy in front of PostgreSQL.
package tcp

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Options are the settings of a Proxy.
type Options struct {
	// Address is where the proxy listens; a free port if it is empty.
	Address string
	// Upstream returns the address of the server for the n-th connection, from 0.
	Upstream func(n int) string
	// Delay delays data in each direction, so that a round trip takes twice that longer.
	Delay time.Duration
	// OnConnect is called when a connection has reached the server. What it returns is called with the
	// server's data, before the data is forwarded.
	OnConnect func() (onReply func(data []byte))
}

// Upstream returns the address of the same server for each connection.
func Upstream(address string) func(int) string { return func(int) string { return address } }

// A Proxy forwards connections between clients and a server until the test ends.
type Proxy struct {
	options  Options
	listener net.Listener
	silent   atomic.Bool

	wg          sync.WaitGroup
	mu          sync.Mutex
	connections map[*Connection]bool
}

// A Connection is a connection through the proxy.
type Connection struct {
	Client, Server *net.TCPConn
	proxy          *Proxy
	// requests and replies report whether that direction's data is dropped.
	requests, replies atomic.Bool
}

// NewProxy starts a proxy.
func NewProxy(t testing.TB, o Options) *Proxy {
	t.Helper()
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.OnConnect == nil {
		o.OnConnect = func() func([]byte) { return func([]byte) {} }
	}
	l, err := net.Listen("tcp", o.Address)
	require.NoError(t, err)
	p := &Proxy{options: o, listener: l, connections: map[*Connection]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		p.Reset()
		p.wg.Wait()
	})
	return p
}

// Address returns the proxy's address, host:port.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Port returns the proxy's port.
func (p *Proxy) Port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Connections returns the open connections.
func (p *Proxy) Connections() []*Connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	var open []*Connection
	for c := range p.connections {
		open = append(open, c)
	}
	return open
}

// Silence drops all further data of every connection without closing it, as in a network failure.
func (p *Proxy) Silence() {
	p.silent.Store(true)
	for _, c := range p.Connections() {
		c.Drop(true, true)
	}
}

// Cut closes all connections. New connections are possible.
func (p *Proxy) Cut() {
	for _, c := range p.Connections() {
		_ = c.Client.Close()
		_ = c.Server.Close()
	}
}

// Reset closes all connections with a RST. New connections are possible.
func (p *Proxy) Reset() {
	for _, c := range p.Connections() {
		reset(c.Client)
		reset(c.Server)
	}
}

// Drop drops all further data of one or both directions.
func (c *Connection) Drop(requests, replies bool) {
	if requests {
		c.requests.Store(true)
	}
	if replies {
		c.replies.Store(true)
	}
}

// ResetLater closes one side with a RST after a delay. The other side does not notice it.
func (c *Connection) ResetLater(delay time.Duration, side *net.TCPConn) {
	c.proxy.wg.Go(func() {
		time.Sleep(delay) // part of the fault
		c.Drop(true, true)
		reset(side)
	})
}

// reset closes a connection with a RST.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails if it is closed
	_ = c.Close()
}

func (p *Proxy) accept() {
	for n := 0; ; n++ {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.connect(client.(*net.TCPConn), n) })
	}
}

// connect connects a client to the server. If the server does not answer, it resets the client's
// connection, as the server's host would.
func (p *Proxy) connect(client *net.TCPConn, n int) {
	server, err := net.Dial("tcp", p.options.Upstream(n))
	if err != nil {
		reset(client)
		return
	}
	c := &Connection{Client: client, Server: server.(*net.TCPConn), proxy: p}
	c.Drop(p.silent.Load(), p.silent.Load())
	p.mu.Lock()
	p.connections[c] = true
	p.mu.Unlock()
	onReply := p.options.OnConnect()
	p.wg.Go(func() { c.forward(c.Server, c.Client, func([]byte) {}, &c.requests) })
	c.forward(c.Client, c.Server, onReply, &c.replies)
	p.mu.Lock()
	delete(p.connections, c)
	p.mu.Unlock()
}

// forward copies data from one side to the other until one side is closed. It then closes the other
// side, unless this direction drops its data: then the end is not reported either.
func (c *Connection) forward(to, from *net.TCPConn, see func([]byte), dropped *atomic.Bool) {
	write, finish := c.writer(to, dropped)
	for {
		data := make([]byte, 32<<10)
		n, err := from.Read(data)
		if n > 0 {
			see(data[:n])
			write(data[:n])
		}
		if err != nil {
			finish()
			if !dropped.Load() {
				_ = to.Close()
			}
			return
		}
	}
}

// writer returns a function that writes data after the delay, and one that waits until all is written.
// A failed write is not reported: reading from the same connection fails, too.
func (c *Connection) writer(to *net.TCPConn, dropped *atomic.Bool) (write func([]byte), finish func()) {
	send := func(data []byte) {
		if !dropped.Load() {
			_, _ = to.Write(data)
		}
	}
	if c.proxy.options.Delay == 0 {
		return send, func() {}
	}
	type chunk struct {
		data []byte
		due  time.Time
	}
	queue, done := make(chan chunk, 1<<10), make(chan struct{})
	go func() {
		defer close(done)
		for next := range queue {
			time.Sleep(time.Until(next.due))
			send(next.data)
		}
	}()
	return func(data []byte) { queue <- chunk{data, time.Now().Add(c.proxy.options.Delay)} },
		func() { close(queue); <-done }
}
