package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync/atomic"
)

// ErrNotPostgres means that another kind of server answers at the database's address. lib/pq
// takes the first bytes of any answer for the length of a message and allocates memory for it:
// an HTTP server's answer takes 1.4 GB, and the container is killed.
var ErrNotPostgres = errors.New("the server at this address is not PostgreSQL")

// maxFirstMessage is the maximum length of a server's first message, an authentication request
// or an error. libpq has the same limit (fe-connect.c).
const maxFirstMessage = 30_000

// sslRequest is the first message of a client that requests TLS (protocol, "Message Formats").
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// A Dialer opens connections and checks the server's first answer.
type Dialer struct {
	net.Dialer
	// last is the last opened connection. lib/pq also dials to cancel a query.
	last atomic.Pointer[checkedConn]
}

// DialContext opens a connection.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	checked := &checkedConn{Conn: conn, check: true}
	d.last.Store(checked)
	return checked, nil
}

// Last returns the last opened connection.
func (d *Dialer) Last() net.Conn { return d.last.Load() }

// A checkedConn checks the header of the first message from the server.
type checkedConn struct {
	net.Conn
	check    bool
	written  bool
	wantTLS  bool // the next byte answers a request for TLS
	header   []byte
	writeErr atomic.Pointer[error] // error of a failed Write
}

func (c *checkedConn) Write(p []byte) (int, error) {
	if !c.written {
		c.written = true
		c.wantTLS = bytes.Equal(p, sslRequest)
	}
	n, err := c.Conn.Write(p)
	if err == nil {
		return n, nil
	}
	// A server that ends the session sends the reason before it closes the connection. lib/pq
	// reads it only if the write of its query succeeds, as libpq does (fe-secure.c).
	c.writeErr.Store(&err)
	return len(p), nil
}

func (c *checkedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.check && n > 0 && !c.plausible(p[:n]) {
		return 0, ErrNotPostgres
	}
	if writeErr := c.writeErr.Load(); err != nil && writeErr != nil {
		err = *writeErr
	}
	return n, err
}

// plausible reports whether the received bytes can be PostgreSQL's. The check ends when the
// first message has a valid header, or TLS starts.
func (c *checkedConn) plausible(p []byte) bool {
	if c.wantTLS {
		c.wantTLS = false
		c.check = p[0] == 'N' // the server has no TLS and continues in plain text
		return bytes.IndexByte([]byte("SNE"), p[0]) >= 0
	}
	c.header = append(c.header, p...)
	if bytes.IndexByte([]byte("REv"), c.header[0]) < 0 { // authentication, error, protocol version
		return false
	}
	if len(c.header) < 5 {
		return true
	}
	c.check = false
	return binary.BigEndian.Uint32(c.header[1:5]) <= maxFirstMessage
}
