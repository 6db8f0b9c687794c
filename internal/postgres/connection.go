package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/config/credentials"
	"github.com/shiplock/shiplock/internal/postgres/wire"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/retry"
	"github.com/shiplock/shiplock/internal/servermessage"
	"github.com/shiplock/shiplock/internal/text"
)

const (
	// attemptTimeout limits one attempt to connect: a firewall that drops packets returns no error.
	attemptTimeout = 10 * time.Second
	// firstPause and maxPause are the first and the maximum pause between connection attempts:
	// short enough to be unnoticeable, and few enough attempts for fifty waiting pods.
	firstPause = 200 * time.Millisecond
	maxPause   = time.Second
	// startGrace is how long a non-PostgreSQL answer or a failing password command is retried:
	// while a Service is new, its address may lead elsewhere, such as to a gateway, and access to a
	// metadata server may not be ready.
	startGrace = 10 * time.Second
)

// connect opens a session, and retries within the limits of the options if the error may be
// temporary.
func (db *Session) connect(ctx context.Context, d *wire.Dialer) (conn *sql.Conn, err error) {
	db.openPool(d)
	w := connectionWait{db: db, start: time.Now(), reported: map[string]bool{}, activity: db.Opts.Progress.StartWait()}
	defer w.activity.End()
	policy := retry.Policy{First: firstPause, Max: maxPause, OnRetry: w.onRetry}
	if db.Opts.ConnectDelay > 0 {
		policy.First, policy.Max = db.Opts.ConnectDelay, 0
	}
	err = retry.Do(ctx, policy, func() error {
		conn, err = db.connectOnce(ctx, d, w.start)
		if err != nil && ctx.Err() == nil && db.roleParamRejected(err) {
			_ = db.pool.Close()
			db.openPool(d)
			conn, err = db.connectOnce(ctx, d, w.start)
		}
		return err
	})
	if err == nil && len(w.reported) > 0 {
		db.Log.Info("database is ready", "database", db.Target(), "waited", RoundDuration(time.Since(w.start)))
	}
	return conn, retry.StopCause(err)
}

// A connectionWait is the wait for a server that accepts connections.
type connectionWait struct {
	db       *Session
	start    time.Time
	reported map[string]bool // reasons that the progress has shown
	activity *progress.Activity
}

// onRetry returns a *ConnectError if the error or a limit forbids another attempt, and else shows
// the progress of the wait.
func (w connectionWait) onRetry(err error, attempt int, pause time.Duration) error {
	fail := &ConnectError{Target: w.db.Target(), Waited: time.Since(w.start), Attempts: attempt, Err: err, Permanent: !isTransient(err)}
	fail.Limit = w.db.exhaustedLimit(fail.Waited+pause, attempt)
	startup := isStartupError(err) && fail.Waited+pause < startGrace
	if (fail.Permanent && !startup) || fail.Limit != NoConnectLimit {
		return fail
	}
	reason := w.db.Opts.DSN.Redact(err.Error())
	if !w.reported[reason] {
		w.reported[reason] = true
		w.activity.Reset()
	}
	w.activity.Show(w.db.connectStatus(reason, w.db.remainingWait(fail.Waited, attempt)))
	return nil
}

// connectOnce opens a session and runs its first query, because only that reaches the server behind
// a pooler.
func (db *Session) connectOnce(ctx context.Context, d *wire.Dialer, start time.Time) (*sql.Conn, error) {
	conn, err := db.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	db.Conn, db.netConn = conn, d.Last()
	limit := max(attemptTimeout, min(db.Opts.WaitForDB, time.Hour)-time.Since(start))
	short, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer to the first query within %s: %w", RoundDuration(limit), context.DeadlineExceeded))
	defer cancel()
	err = db.ReadServerInfo(short)
	var lost *LostError
	var unsupported *UnsupportedServerError
	switch {
	case err == nil:
		return conn, nil
	case errors.As(err, &unsupported):
		return conn, retry.Permanent(&ConnectError{Target: db.Target(), Attempts: 1, Err: unsupported, Permanent: true})
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.As(err, &lost) && lost.Server != nil:
		err = lost.Server
	case errors.As(err, &lost):
		err = lost.Err
	case short.Err() == nil:
		return conn, retry.Permanent(err) // of an established session
	}
	_ = conn.Close()
	db.Conn = nil
	return nil, err
}

// exhaustedLimit returns the limit that forbids another attempt.
func (db *Session) exhaustedLimit(then time.Duration, attempt int) ConnectLimit {
	switch o := db.Opts; {
	case o.ConnectAttempts > 0 && attempt >= o.ConnectAttempts:
		return ConnectAttemptsLimit
	case then > o.WaitForDB:
		return WaitForDBLimit
	}
	return NoConnectLimit
}

// remainingWait returns the remaining time and attempts.
func (db *Session) remainingWait(waited time.Duration, attempt int) string {
	var out []string
	if db.Opts.WaitForDB != math.MaxInt64 {
		out = append(out, RoundDuration(db.Opts.WaitForDB-waited).String())
	}
	if db.Opts.ConnectAttempts > 0 {
		out = append(out, fmt.Sprintf("%d attempts", db.Opts.ConnectAttempts-attempt))
	}
	return strings.Join(out, ", ")
}

// isStartupError reports whether an error may be caused by the start of the pod.
func isStartupError(err error) bool {
	var secret *credentials.Error
	return errors.Is(err, wire.ErrNotPostgres) || errors.As(err, &secret) && secret.Command
}

// connectStatus returns the progress of waiting for the database.
func (db *Session) connectStatus(reason, remaining string) progress.Status {
	facts := []progress.Fact{
		{Name: "database", Value: db.Target(), Bar: "waiting for the database"},
		{Name: "reason", Value: reason, Bar: reason, Rank: 2},
	}
	if remaining != "" {
		facts = append(facts, progress.Fact{Name: "time_left", Value: remaining, Bar: "for up to " + remaining, Rank: 1})
	}
	return progress.Status{Message: "waiting for the database", TimeName: "waited", Facts: facts}
}

// isTransient reports whether an error may be resolved by waiting, such as a starting server or a
// name that is not in DNS yet.
func isTransient(err error) bool {
	var secret *credentials.Error
	if errors.As(err, &secret) {
		return secret.Absent
	}
	var server *pq.Error
	if errors.As(err, &server) {
		switch server.Code {
		case pqerror.CannotConnectNow, pqerror.TooManyConnections, pqerror.AdminShutdown, pqerror.CrashShutdown:
			return true
		}
		return servermessage.IsTransientPoolerError(server)
	}
	var (
		unknownCA   x509.UnknownAuthorityError
		wrongHost   x509.HostnameError
		invalidCert x509.CertificateInvalidError
		verify      *tls.CertificateVerificationError
	)
	if errors.As(err, &unknownCA) || errors.As(err, &wrongHost) || errors.As(err, &invalidCert) || errors.As(err, &verify) ||
		errors.Is(err, pq.ErrSSLNotSupported) || errors.Is(err, wire.ErrNotPostgres) {
		return false
	}
	var file *fs.PathError // sslrootcert, for example; its errno would be mistaken for a network error
	if errors.As(err, &file) {
		return false
	}
	var network net.Error
	if errors.As(err, &network) || isConnectionEnd(err) {
		return true
	}
	return !servermessage.IsDriverError(err)
}

// RoundDuration rounds a duration for people: to 10 ms.
func RoundDuration(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

// isConnectionEnd reports whether the server closed the connection while starting or stopping, for
// which lib/pq returns only "bad connection".
func isConnectionEnd(err error) bool {
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded)
}

// openPool prepares the connection pool, and does not connect.
func (db *Session) openPool(d *wire.Dialer) {
	connector := db.Opts.DSN.With(db.startParams()).Connector(d, attemptTimeout)
	db.pool = sql.OpenDB(pq.ConnectorWithNoticeHandler(wire.WithErrors(connector, &db.finalErr), db.handleNotice))
	db.pool.SetMaxIdleConns(0)
}

// handleNotice handles a message of the server: it logs those that Options.OnNotice does not handle.
func (db *Session) handleNotice(n *pq.Error) {
	if n.Code == pqerror.NoActiveSQLTransaction && db.rollingBack.Load() {
		return
	}
	if db.Opts.OnNotice == nil || !db.Opts.OnNotice(n) {
		db.Log.Info("server message", "severity", n.Severity, "message", text.CleanLine(n.Message))
	}
}
