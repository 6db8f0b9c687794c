package toolrun

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

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/postgres"
)

// When an external tool is stopped, its statement continues: the server reads from a client only
// between statements. This file finds the sessions of a tool, distinguishes those that certainly
// belong to it from those that may, and terminates them. The rules are in ADR 17.

// A ToolSession is a session that an external tool has left, or may have left.
type ToolSession struct {
	PID         int
	Database    string
	User        string
	Application string
	State       string // "" if the role may not see it
	Query       string
	Seconds     int64 // since the start of the transaction
	// Certain sessions belong to the tool: they have its application_name, or were connections of
	// its process.
	Certain bool
	// Busy sessions run a statement or have an open transaction.
	Busy bool
	// Started and Transaction are start times by the server's clock in microseconds; 0 if the role
	// may not see them.
	Started, Transaction int64
	client               netip.AddrPort
}

// Active reports whether a statement is running, as far as the role may see it.
func (s ToolSession) Active() bool { return s.Busy && !strings.HasPrefix(s.State, "idle") }

// SameTransaction reports whether both describe the same transaction of the same session.
func (s ToolSession) SameTransaction(o ToolSession) bool {
	return s.PID == o.PID && s.Started == o.Started && s.Transaction == o.Transaction
}

func (s ToolSession) String() string {
	return activity.SessionInfo{PID: s.PID, Application: s.Application, State: s.State, Seconds: s.Seconds, Query: s.Query}.String()
}

// A ToolConnection is a TCP connection of the tool's process at a moment of the local clock.
type ToolConnection struct {
	Local, Remote netip.AddrPort
	Seen          time.Time
}

// A ToolTrace identifies the sessions of one run of a tool.
type ToolTrace struct {
	// Application is the application_name for the tool.
	Application string
	// Checks reports whether the tool's sessions can check their client during a statement:
	// client_connection_check_interval is supported, and there is no pooler, which would reject the
	// parameter.
	Checks bool

	namePrefix string // prefix of the application_name of every run with the same lock
	serverTime int64  // time of the server's clock in microseconds at local
	localTime  time.Time
	direct     bool // the server sees the connection's own address
	pooled     bool
	address    string // address of the session as the server sees it; empty for a Unix socket
	remote     netip.AddrPort
	prepared   map[string]bool
}

// toolPrefix is the prefix of every application_name that is assigned to a tool.
const toolPrefix = "shiplock-exec-"

// IsToolApplication reports whether an application_name was assigned to a tool.
func IsToolApplication(name string) bool { return strings.HasPrefix(name, toolPrefix) }

// NewToolTrace prepares to find the sessions of a tool that is about to start. pooled reports
// whether the session that holds the lock is behind a pooler in transaction mode.
func (tools *Tools) NewToolTrace(ctx context.Context, pooled bool) (*ToolTrace, error) {
	key := lock.Key(tools.store)
	var run [4]byte
	_, _ = rand.Read(run[:]) // never fails
	t := &ToolTrace{namePrefix: fmt.Sprintf("%s%08x-", toolPrefix, key), pooled: pooled, prepared: map[string]bool{}}
	t.Application = t.namePrefix + fmt.Sprintf("%x", run)
	var prepared string
	err := tools.session.QueryRow(ctx, `SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint, coalesce(pg_catalog.host(pg_catalog.inet_client_addr()), ''),
		coalesce((SELECT string_agg(gid, E'\n') FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()), '')`).
		Scan(&t.serverTime, &t.address, &prepared)
	if err != nil {
		return nil, tools.session.ClassifyError(ctx, err)
	}
	t.localTime = time.Now()
	for gid := range strings.SplitSeq(prepared, "\n") {
		t.prepared[gid] = true
	}
	if a, ok := tools.session.LocalAddr().(*net.TCPAddr); ok {
		t.direct = a.Port == tools.session.Server.Port && a.AddrPort().Addr().Unmap().WithZone("").String() == t.address
	}
	if a, ok := tools.session.RemoteAddr().(*net.TCPAddr); ok {
		t.remote = netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), uint16(a.Port))
	}
	t.Checks = t.direct && tools.session.Server.VersionNum >= 140000
	return t, nil
}

// The activity of a session that the role may not see is derived from its locks: every transaction
// holds a lock on its virtual transaction ID.
const toolBusySQL = `CASE WHEN a.state IN ('active', 'idle in transaction', 'idle in transaction (aborted)', 'fastpath function call') THEN true WHEN a.state = 'idle' THEN false
	ELSE EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted) END`

const toolSessionColumns = `a.pid, coalesce(a.datname::text, ''), coalesce(a.usename::text, ''), coalesce(a.application_name, ''), coalesce(a.state, ''), left(coalesce(a.query, ''), 200),
	coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start), 0)::bigint,
	coalesce((extract(epoch FROM a.backend_start) * 1000000)::bigint, 0), coalesce((extract(epoch FROM a.xact_start) * 1000000)::bigint, 0),
	coalesce(pg_catalog.host(a.client_addr), ''), coalesce(a.client_port, 0), ` + toolBusySQL

// ToolLeftovers are sessions and prepared transactions that a tool has left, or may have left.
type ToolLeftovers struct {
	Sessions []ToolSession
	Prepared []PreparedTransaction
}

// FindToolLeftovers queries the sessions of the run t: those that certainly belong to the tool, in any
// database, and busy ones in this database that may, because they started during the run, from this
// client address, as one of roles; and the transactions that one of roles has prepared in this
// database since. connections are those of the tool's process.
func (tools *Tools) FindToolLeftovers(ctx context.Context, t *ToolTrace, roles []string, connections []ToolConnection) (ToolLeftovers, error) {
	start := fmt.Sprintf("pg_catalog.to_timestamp(%d / 1000000.0)", t.serverTime)
	var r ToolLeftovers
	seen, err := tools.readToolSessions(ctx, "a.application_name = "+postgres.LiteralOrNull(t.Application)+
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
		if s.Certain || s.Busy && (s.Application == t.Application || s.Database == tools.session.Server.Database && t.likely(s, roles)) {
			r.Sessions = append(r.Sessions, s)
		}
	}
	return r, err
}

// certain reports whether a session belongs to the tool only. Behind a pooler, which shares
// sessions between clients, the name is not sufficient.
func (t *ToolTrace) certain(s ToolSession, connections []ToolConnection) bool {
	if t.pooled || s.Started != 0 && s.Started < t.serverTime {
		return false
	}
	if s.Application == t.Application {
		return s.Started == 0 || s.client.Addr().String() == t.address || !s.client.Addr().IsValid() && t.address == ""
	}
	if !t.direct || s.Started == 0 {
		return false
	}
	for _, c := range connections {
		if c.Local == s.client && c.Remote == t.remote && s.Started <= t.serverTime+c.Seen.Sub(t.localTime).Microseconds() {
			return true
		}
	}
	return false
}

func (t *ToolTrace) likely(s ToolSession, roles []string) bool {
	if IsToolApplication(s.Application) || s.Transaction < t.serverTime || t.direct && s.Started < t.serverTime {
		return false
	}
	address := ""
	if s.client.Addr().IsValid() {
		address = s.client.Addr().String()
	}
	return address == t.address && slices.Contains(roles, s.User)
}

// EarlierToolSessions returns the busy sessions of earlier runs with the same lock, in any
// database.
func (tools *Tools) EarlierToolSessions(ctx context.Context, t *ToolTrace) ([]ToolSession, error) {
	seen, err := tools.readToolSessions(ctx, "a.application_name LIKE "+postgres.LiteralOrNull(t.namePrefix+"%"), nil)
	var out []ToolSession
	for _, s := range seen {
		if s.Busy {
			out = append(out, s)
		}
	}
	return out, err
}

// SessionsSince returns the sessions of this database that are in a transaction started after
// since, as one of roles. They may belong to a tool without application_name whose migrator was
// killed at that time.
func (tools *Tools) SessionsSince(ctx context.Context, since time.Time, roles []string) ([]ToolSession, error) {
	seen, err := tools.readToolSessions(ctx, "a.datname = pg_catalog.current_database() AND a.application_name NOT LIKE 'shiplock%' AND a.xact_start >= "+
		postgres.LiteralOrNull(since.UTC().Format(time.RFC3339Nano))+"::timestamptz", nil)
	return slices.DeleteFunc(seen, func(s ToolSession) bool { return !s.Busy || !slices.Contains(roles, s.User) }), err
}

// preparedHere selects the prepared transactions of this database.
const preparedHere = ";\nSELECT gid, owner::text FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database() ORDER BY prepared, gid"

// readToolSessions reads sessions, and calls prepared with the prepared transactions.
func (tools *Tools) readToolSessions(ctx context.Context, condition string, prepared func(*sql.Rows) error) ([]ToolSession, error) {
	query := activity.LoginRoleSQL + activity.TimeoutSQL + "SELECT " + toolSessionColumns + ` FROM pg_catalog.pg_stat_activity a
		WHERE a.pid <> pg_catalog.pg_backend_pid() AND coalesce(a.backend_type, 'client backend') = 'client backend' AND (` + condition + ") ORDER BY a.pid"
	if prepared != nil {
		query += preparedHere
	}
	rows, err := tools.session.Query(ctx, query)
	if err != nil {
		return nil, tools.session.ClassifyError(ctx, err)
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
	return out, tools.session.ClassifyError(ctx, errors.Join(err, rows.Err(), rows.Close()))
}

// EndToolSession cancels the statement of a session, or terminates the session if terminate is set.
// It reports whether the role has the privilege. A session that has ended, or whose PID was reused,
// is not an error.
func (tools *Tools) EndToolSession(ctx context.Context, s ToolSession, terminate bool) (allowed bool, err error) {
	function := "pg_cancel_backend"
	if terminate {
		function = "pg_terminate_backend"
	}
	started := "a.backend_start IS NULL"
	if s.Started != 0 {
		started = fmt.Sprintf("(extract(epoch FROM a.backend_start) * 1000000)::bigint = %d", s.Started)
	}
	err = tools.session.Exec(ctx, activity.LoginRoleSQL+activity.TimeoutSQL+fmt.Sprintf("SELECT pg_catalog.%s(a.pid) FROM pg_catalog.pg_stat_activity a WHERE a.pid = %d AND %s", function, s.PID, started))
	if pq.As(err, pqerror.InsufficientPrivilege) != nil {
		return false, nil
	}
	return true, err
}

// A PreparedTransaction is a transaction prepared for a two-phase commit. It holds its locks until
// it is committed or rolled back.
type PreparedTransaction struct{ GID, Owner string }

// Statement returns the SQL that commits the transaction or rolls it back.
func (p PreparedTransaction) Statement(command string) string {
	return command + " PREPARED " + postgres.LiteralOrNull(p.GID) + ";"
}
