package postgres

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// An external tool that is ended leaves its statement behind: the server reads from
// a client only between statements. This file finds the sessions of a tool, tells
// those that are certain to be its own from those that may be, and ends them. The
// rules are in ADR 17.

// ToolSession is a session that a tool has left behind, or may have.
type ToolSession struct {
	PID         int
	Database    string
	User        string
	Application string
	State       string // "" where our role may not see it
	Query       string
	Seconds     int64 // since the transaction began
	// Certain sessions are the tool's: they have its application_name, or were one
	// end of a connection of its process.
	Certain bool
	// AtWork sessions run a statement, or have a transaction open.
	Busy bool
	// Started and Transaction are moments of the server's clock, in microseconds; 0
	// where our role may not see them.
	Started, Transaction int64
	client               netip.AddrPort
}

// Active reports whether a statement runs, as far as our role may see it.
func (s ToolSession) Active() bool { return s.Busy && !strings.HasPrefix(s.State, "idle") }

// Same reports whether two looks saw one session in one transaction.
func (s ToolSession) SameTransaction(o ToolSession) bool {
	return s.PID == o.PID && s.Started == o.Started && s.Transaction == o.Transaction
}

func (s ToolSession) String() string {
	return sessionInfo{PID: s.PID, Application: s.Application, State: s.State, Seconds: s.Seconds, Query: s.Query}.String()
}

// ToolConnection is a TCP connection that the tool's process had at a moment of our clock.
type ToolConnection struct {
	Local, Remote netip.AddrPort
	Seen          time.Time
}

// ToolTrace is what the sessions of one run of a tool are known by.
type ToolTrace struct {
	// Application is the application_name that the tool is given.
	Application string
	// Checks says that the tool's sessions may be asked to look for their client
	// while a statement runs: client_connection_check_interval exists, and no pooler
	// is in between, which would refuse the parameter.
	Checks bool

	family   string // what the application_names of all runs under this lock begin with
	server   int64  // the server's clock, in microseconds, when ours was local
	local    time.Time
	direct   bool // the server sees our own connections as we do
	pooled   bool
	address  string // of our sessions, as the server sees them; empty for a Unix socket
	remote   netip.AddrPort
	prepared map[string]bool
}

// toolPrefix begins the application_name of every tool's session.
const toolPrefix = "shiplock-exec-"

// OwnToolName reports whether an application_name is one that we have given a tool.
func IsToolApplication(name string) bool { return strings.HasPrefix(name, toolPrefix) }

// TraceTool makes ready to find the sessions of a tool that is about to start. pooled
// says of the session with the lock that a pooler in transaction mode is in between.
func (db *DB) NewToolTrace(ctx context.Context, pooled bool) (*ToolTrace, error) {
	key, err := db.lockKey()
	if err != nil {
		return nil, err
	}
	var run [4]byte
	_, _ = rand.Read(run[:]) // never fails
	t := &ToolTrace{family: fmt.Sprintf("%s%08x-", toolPrefix, key), pooled: pooled, prepared: map[string]bool{}}
	t.Application = t.family + fmt.Sprintf("%x", run)
	var prepared string
	err = db.queryRow(ctx, `SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint, coalesce(pg_catalog.host(pg_catalog.inet_client_addr()), ''),
		coalesce((SELECT string_agg(gid, E'\n') FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()), '')`).
		Scan(&t.server, &t.address, &prepared)
	if err != nil {
		return nil, db.classifyError(ctx, err)
	}
	t.local = time.Now()
	for gid := range strings.SplitSeq(prepared, "\n") {
		t.prepared[gid] = true
	}
	if a, ok := db.netConn.LocalAddr().(*net.TCPAddr); ok {
		t.direct = a.Port == db.Server.port && a.AddrPort().Addr().Unmap().WithZone("").String() == t.address
	}
	if a, ok := db.netConn.RemoteAddr().(*net.TCPAddr); ok {
		t.remote = netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), uint16(a.Port))
	}
	t.Checks = t.direct && db.Server.versionNum >= 140000
	return t, nil
}

// What a session does that our role may not look into is seen by its locks: each
// transaction holds the lock of its virtual transaction.
const toolBusySQL = `CASE WHEN a.state IN ('active', 'idle in transaction', 'idle in transaction (aborted)', 'fastpath function call') THEN true WHEN a.state = 'idle' THEN false
	ELSE EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted) END`

const toolSessionColumns = `a.pid, coalesce(a.datname::text, ''), coalesce(a.usename::text, ''), coalesce(a.application_name, ''), coalesce(a.state, ''), left(coalesce(a.query, ''), 200),
	coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start), 0)::bigint,
	coalesce((extract(epoch FROM a.backend_start) * 1000000)::bigint, 0), coalesce((extract(epoch FROM a.xact_start) * 1000000)::bigint, 0),
	coalesce(pg_catalog.host(a.client_addr), ''), coalesce(a.client_port, 0), ` + toolBusySQL

// ToolRemains is what a tool has left in the server, or may have.
type ToolLeftovers struct {
	Sessions []ToolSession
	Prepared []PreparedTransaction
}

// ToolRemains looks, by one query, for the sessions of the tool's run t: those that
// are certain to be its own, in any database, and those at work in this one that may
// be, because they began while it ran, came from where we are and logged in as one of
// roles; and for the transactions that one of roles has prepared here since. The
// connections are those that its process had.
func (db *DB) ToolLeftovers(ctx context.Context, t *ToolTrace, roles []string, connections []ToolConnection) (ToolLeftovers, error) {
	start := fmt.Sprintf("pg_catalog.to_timestamp(%d / 1000000.0)", t.server)
	var r ToolLeftovers
	seen, err := db.readToolSessions(ctx, "a.application_name = "+literalOrNull(t.Application)+
		" OR a.datname = pg_catalog.current_database() AND a.application_name NOT LIKE 'shiplock%' AND a.xact_start >= "+start+
		" OR a.client_port > 0 AND a.backend_start >= "+start, func(rows *sql.Rows) error {
		for rows.Next() {
			var p PreparedTransaction
			if err := rows.Scan(&p.GID, &p.Owner); err != nil {
				return err
			}
			if slices.Contains(roles, p.Owner) && !t.prepared[p.GID] {
				r.Prepared = append(r.Prepared, p)
			}
		}
		return nil
	})
	for _, s := range seen {
		s.Certain = t.certain(s, connections)
		if s.Certain || s.Busy && (s.Application == t.Application || s.Database == db.Server.Database && t.likely(s, roles)) {
			r.Sessions = append(r.Sessions, s)
		}
	}
	return r, err
}

// certain reports whether a session is the tool's and nobody else's. A name alone
// proves nothing behind a pooler, which lends one session to several clients.
func (t *ToolTrace) certain(s ToolSession, connections []ToolConnection) bool {
	if t.pooled || s.Started != 0 && s.Started < t.server {
		return false
	}
	if s.Application == t.Application {
		return s.Started == 0 || s.client.Addr().String() == t.address || !s.client.Addr().IsValid() && t.address == ""
	}
	if !t.direct || s.Started == 0 {
		return false
	}
	for _, c := range connections {
		if c.Local == s.client && c.Remote == t.remote && s.Started <= t.server+c.Seen.Sub(t.local).Microseconds() {
			return true
		}
	}
	return false
}

func (t *ToolTrace) likely(s ToolSession, roles []string) bool {
	if IsToolApplication(s.Application) || s.Transaction < t.server || t.direct && s.Started < t.server {
		return false
	}
	address := ""
	if s.client.Addr().IsValid() {
		address = s.client.Addr().String()
	}
	return address == t.address && slices.Contains(roles, s.User)
}

// EarlierToolSessions lists what sessions of earlier runs under the same lock are
// still at work, in any database.
func (db *DB) EarlierToolSessions(ctx context.Context, t *ToolTrace) ([]ToolSession, error) {
	seen, err := db.readToolSessions(ctx, "a.application_name LIKE "+literalOrNull(t.family+"%"), nil)
	var out []ToolSession
	for _, s := range seen {
		if s.Busy {
			out = append(out, s)
		}
	}
	return out, err
}

// SessionsSince lists the sessions of this database that are at work in a transaction
// which has begun since that moment, as one of roles. Some may be those of a tool whose
// migrator was killed then: of one that takes no application_name.
func (db *DB) SessionsSince(ctx context.Context, since time.Time, roles []string) ([]ToolSession, error) {
	seen, err := db.readToolSessions(ctx, "a.datname = pg_catalog.current_database() AND a.application_name NOT LIKE 'shiplock%' AND a.xact_start >= "+
		literalOrNull(since.UTC().Format(time.RFC3339Nano))+"::timestamptz", nil)
	return slices.DeleteFunc(seen, func(s ToolSession) bool { return !s.Busy || !slices.Contains(roles, s.User) }), err
}

// preparedHere is the prepared transactions of this database.
const preparedHere = ";\nSELECT gid, owner::text FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database() ORDER BY prepared, gid"

// readToolSessions reads sessions, and hands the prepared transactions to prepared.
func (db *DB) readToolSessions(ctx context.Context, condition string, prepared func(*sql.Rows) error) ([]ToolSession, error) {
	query := loginRoleSQL + activityTimeoutSQL + "SELECT " + toolSessionColumns + ` FROM pg_catalog.pg_stat_activity a
		WHERE a.pid <> pg_catalog.pg_backend_pid() AND coalesce(a.backend_type, 'client backend') = 'client backend' AND (` + condition + ") ORDER BY a.pid"
	if prepared != nil {
		query += preparedHere
	}
	rows, err := db.query(ctx, query)
	if err != nil {
		return nil, db.classifyError(ctx, err)
	}
	var out []ToolSession
	for rows.Next() {
		var s ToolSession
		var address string
		var port int
		if err := rows.Scan(&s.PID, &s.Database, &s.User, &s.Application, &s.State, &s.Query, &s.Seconds, &s.Started, &s.Transaction, &address, &port, &s.Busy); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		if ip, err := netip.ParseAddr(address); err == nil && port > 0 {
			s.client = netip.AddrPortFrom(ip.Unmap(), uint16(port))
		}
		out = append(out, s)
	}
	if prepared != nil && rows.NextResultSet() {
		err = prepared(rows)
	}
	return out, db.classifyError(ctx, errors.Join(err, rows.Err(), rows.Close()))
}

// EndToolSession cancels what a session does, or ends it where terminate is set. It
// reports whether our role may: a session that has gone since, or is another one, is
// left alone and no error.
func (db *DB) EndToolSession(ctx context.Context, s ToolSession, terminate bool) (allowed bool, err error) {
	function := "pg_cancel_backend"
	if terminate {
		function = "pg_terminate_backend"
	}
	started := "a.backend_start IS NULL"
	if s.Started != 0 {
		started = fmt.Sprintf("(extract(epoch FROM a.backend_start) * 1000000)::bigint = %d", s.Started)
	}
	err = db.exec(ctx, loginRoleSQL+activityTimeoutSQL+fmt.Sprintf("SELECT pg_catalog.%s(a.pid) FROM pg_catalog.pg_stat_activity a WHERE a.pid = %d AND %s", function, s.PID, started))
	if pq.As(err, pqerror.InsufficientPrivilege) != nil {
		return false, nil
	}
	return true, err
}

// PreparedTransaction is a transaction that is prepared for a two-phase commit, and
// keeps its locks until somebody decides.
type PreparedTransaction struct{ GID, Owner string }

// Statement returns the SQL that rolls the transaction back, or commits it.
func (p PreparedTransaction) Statement(verb string) string {
	return verb + " PREPARED " + literalOrNull(p.GID) + ";"
}
