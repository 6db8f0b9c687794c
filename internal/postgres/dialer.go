package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync/atomic"
)

// ErrNotPostgres says that something else answers at the database's address.
// lib/pq takes the first bytes of any answer for the length of a message and
// makes room for it: an HTTP server's costs 1.4 GB, and the container its life.
var ErrNotPostgres = errors.New("what answers there does not speak PostgreSQL's protocol")

// maxFirstMessage bounds the length of a server's first message. It is a request
// to authenticate or an error; libpq takes more than 30,000 bytes for a sign
// that the protocol is lost (fe-connect.c).
const maxFirstMessage = 30_000

// sslRequest is the first message of a client that wants TLS (protocol, "Message Formats").
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// dialer opens connections whose first answer is checked.
type dialer struct {
	net.Dialer
	// last is the last connection made. lib/pq also dials to cancel a query.
	last atomic.Pointer[checkedConn]
}

func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	checked := &checkedConn{Conn: conn, check: true}
	d.last.Store(checked)
	return checked, nil
}

// checkedConn looks at the first message from the server, header by header.
type checkedConn struct {
	net.Conn
	check    bool
	written  bool
	wantTLS  bool // the next byte answers a request for TLS
	header   []byte
	writeErr atomic.Pointer[error] // what a Write has failed with
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
	// A server that has ended the session has written why before it hung up. lib/pq
	// reads it only if it believes that its query was sent, as libpq does (fe-secure.c).
	c.writeErr.Store(&err)
	return len(p), nil
}

func (c *checkedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.check && n > 0 && !c.plausible(p[:n]) {
		return 0, ErrNotPostgres
	}
	if lost := c.writeErr.Load(); err != nil && lost != nil {
		err = *lost
	}
	return n, err
}

// plausible judges the bytes that have come. It stops looking once the first
// message has a sound header, or TLS has begun.
func (c *checkedConn) plausible(p []byte) bool {
	if c.wantTLS {
		c.wantTLS = false
		c.check = p[0] == 'N' // the server has none, and goes on in the clear
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
