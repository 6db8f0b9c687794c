package dsn

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/config/credentials"
)

// A Dialer opens the network connection of a session.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Connector returns a connector that opens connections to this database through lib/pq. It
// reads the credentials again for each connection. dial opens the network connection, and
// limit is the maximum duration of one attempt, from dialing to the end of the login.
// Errors are *credentials.Error, and those of lib/pq.
func (d DSN) Connector(dial Dialer, limit time.Duration) driver.Connector {
	return &connector{dsn: d, dialer: dial, limit: limit}
}

type connector struct {
	dsn    DSN
	dialer Dialer
	limit  time.Duration
}

func (c *connector) Driver() driver.Driver { return &pq.Driver{} }

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.dsn.logins.From == nil {
		return c.open(ctx, credentials.Login{User: c.dsn.cfg.User, Password: c.dsn.cfg.Password})
	}
	l, err := c.dsn.logins.Get(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := c.open(ctx, l)
	// The password may have been changed, or the token may have expired.
	if pq.As(err, pqerror.InvalidPassword, pqerror.InvalidAuthorizationSpecification) != nil {
		if l, ok := c.dsn.logins.Refresh(ctx, l); ok {
			return c.open(ctx, l)
		}
	}
	return conn, err
}

func (c *connector) open(ctx context.Context, l credentials.Login) (driver.Conn, error) {
	cfg := c.dsn.cfg.Clone()
	cfg.Password = l.Password
	if l.User != "" {
		cfg.User = l.User
	}
	unquoted, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("database settings: %s", c.dsn.Redact(err.Error()))
	}
	short, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	d := &startupDialer{Dialer: c.dialer, ctx: short}
	unquoted.Dialer(d)
	conn, err := unquoted.Connect(short)
	d.detach()
	if until, _ := short.Deadline(); err != nil && !time.Now().Before(until) {
		<-short.Done() // a dialer checks the deadline itself, possibly before the context's timer fires
	}
	if err != nil && short.Err() != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("no response from %s within %s: %w", c.dsn.Address(), c.limit, short.Err())
	}
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// A startupDialer is a dialer whose connections are bound to ctx until the session is
// established: lib/pq checks ctx while dialing, and then waits for the server indefinitely.
type startupDialer struct {
	Dialer
	ctx  context.Context
	stop []func() bool
	done bool
}

func (s *startupDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := s.Dialer.DialContext(ctx, network, address)
	if err == nil && !s.done { // lib/pq also dials to cancel a query
		s.stop = append(s.stop, context.AfterFunc(s.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }))
	}
	return conn, err
}

func (s *startupDialer) Dial(network, address string) (net.Conn, error) {
	return s.DialContext(context.Background(), network, address)
}

func (s *startupDialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.DialContext(ctx, network, address)
}

// detach unbinds the connections from ctx.
func (s *startupDialer) detach() {
	s.done = true
	for _, stop := range s.stop {
		stop()
	}
}
