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
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/progress"
)

const (
	// attemptTimeout bounds one attempt to connect: a packet filter that drops
	// answers nothing at all.
	attemptTimeout = 10 * time.Second
	// minPause and maxPause bound the pause between attempts to connect: soon enough
	// not to be noticed, and few enough for fifty waiting pods. The lock has a
	// maxLockPause of its own.
	minPause = 100 * time.Millisecond
	maxPause = time.Second
	// startGrace is how long somebody else may answer at the database's address, and a
	// password command fail: while a Service is new its address may lead elsewhere, to
	// a network's own gateway, and a pod's access to a metadata server may come late.
	startGrace = 10 * time.Second
)

// wait connects, again and again within the limits of the options, as long as waiting can help.
func (db *DB) connect(ctx context.Context, d *dialer) (*sql.Conn, error) {
	db.openPool(d)
	start := time.Now()
	said := map[string]bool{}
	shown := db.opts.Progress.StartWait()
	defer shown.End()
	for attempt := 1; ; attempt++ {
		conn, err := db.connectOnce(ctx, d, start)
		var look *sessionError
		if errors.As(err, &look) {
			return conn, look.error
		}
		if err == nil {
			if attempt > 1 {
				db.log.Info("database is ready", "database", db.Target(), "waited", roundDuration(time.Since(start)))
			}
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if db.roleParamRejected(err) {
			_ = db.pool.Close()
			db.openPool(d)
			continue
		}
		fail := &ConnectError{Target: db.Target(), Waited: time.Since(start), Attempts: attempt, Err: err, Permanent: !isTransient(err)}
		pause := backoff(minPause, maxPause, attempt)
		if db.opts.ConnectDelay > 0 {
			pause = db.opts.ConnectDelay
		}
		fail.Limit = db.exhaustedLimit(fail.Waited+pause, attempt)
		soon := isStartupError(err) && fail.Waited+pause < startGrace
		if (fail.Permanent && !soon) || fail.Limit != "" {
			return nil, fail
		}
		reason := db.opts.DSN.Redact(err.Error())
		if !said[reason] {
			said[reason] = true
			shown.Reset()
		}
		shown.Show(db.connectStatus(reason, db.remainingWait(fail.Waited, attempt)))
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// lookError is an error of a session that has come about.
type sessionError struct{ error }

// attempt opens a session and runs its first query: behind a pooler it is only that which
// reaches the server.
func (db *DB) connectOnce(ctx context.Context, d *dialer, start time.Time) (*sql.Conn, error) {
	conn, err := db.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	db.conn, db.netConn = conn, d.last.Load()
	limit := max(attemptTimeout, min(db.opts.WaitForDB, time.Hour)-time.Since(start))
	short, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer to the first query within %s: %w", roundDuration(limit), context.DeadlineExceeded))
	defer cancel()
	err = db.readServerInfo(short)
	var lost *LostError
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.As(err, &lost) && lost.Server != nil:
		err = lost.Server
	case errors.As(err, &lost):
		err = lost.Err
	case short.Err() == nil:
		return conn, &sessionError{err}
	}
	_ = conn.Close()
	db.conn = nil
	return nil, err
}

// limitOf names the setting that forbids one more attempt, or "".
func (db *DB) exhaustedLimit(then time.Duration, attempt int) string {
	switch o := db.opts; {
	case o.ConnectAttempts > 0 && attempt >= o.ConnectAttempts:
		return "--connect-attempts"
	case then > o.WaitForDB:
		return "--wait-for-db"
	}
	return ""
}

// patience says how much longer the database is waited for.
func (db *DB) remainingWait(waited time.Duration, attempt int) string {
	var out []string
	if db.opts.WaitForDB != math.MaxInt64 {
		out = append(out, roundDuration(db.opts.WaitForDB-waited).String())
	}
	if db.opts.ConnectAttempts > 0 {
		out = append(out, fmt.Sprintf("%d attempts", db.opts.ConnectAttempts-attempt))
	}
	return strings.Join(out, ", ")
}

// passesSoon knows what lasts no longer than a pod's start, if it passes at all.
func isStartupError(err error) bool {
	var secret *config.SecretError
	return errors.Is(err, ErrNotPostgres) || errors.As(err, &secret) && secret.Command
}

// waiting is what is known while the database is waited for.
func (db *DB) connectStatus(reason, patience string) progress.Status {
	facts := []progress.Fact{
		{Name: "database", Value: db.Target(), Bar: "waiting for the database"},
		{Name: "reason", Value: reason, Bar: reason, Rank: 2},
	}
	if patience != "" {
		facts = append(facts, progress.Fact{Name: "for_up_to", Value: patience, Bar: "for up to " + patience, Rank: 1})
	}
	return progress.Status{Message: "waiting for the database", TimeName: "waited", Facts: facts}
}

// mayPass tells an error that time can mend (a server that starts, a name that
// is not in DNS yet) from one that needs a person.
func isTransient(err error) bool {
	var secret *config.SecretError
	if errors.As(err, &secret) {
		return secret.Absent
	}
	var server *pq.Error
	if errors.As(err, &server) {
		switch server.Code {
		case pqerror.CannotConnectNow, pqerror.TooManyConnections, pqerror.AdminShutdown, pqerror.CrashShutdown:
			return true
		}
		return isTransientPoolerError(server)
	}
	var (
		unknownCA   x509.UnknownAuthorityError
		wrongHost   x509.HostnameError
		invalidCert x509.CertificateInvalidError
		verify      *tls.CertificateVerificationError
	)
	if errors.As(err, &unknownCA) || errors.As(err, &wrongHost) || errors.As(err, &invalidCert) || errors.As(err, &verify) ||
		errors.Is(err, pq.ErrSSLNotSupported) || errors.Is(err, ErrNotPostgres) {
		return false
	}
	var file *fs.PathError // of sslrootcert and the like; the errno in it would pass for the network's
	if errors.As(err, &file) {
		return false
	}
	var network net.Error
	if errors.As(err, &network) || isConnectionEnd(err) {
		return true
	}
	// lib/pq hides some errors of the network from errors.As (one that fails before
	// anything was sent, so that database/sql may try again). What it says of itself
	// starts with "pq:", and a handshake's errors name TLS; neither will pass.
	text := err.Error()
	return !strings.Contains(text, "pq:") && !strings.Contains(text, "tls:")
}

// backoff is the pause before one more attempt after n others: it grows from first to
// most, and no two waiters keep step.
func backoff(first, most time.Duration, n int) time.Duration {
	limit := min(first<<min(n, 10), most)
	return limit/2 + rand.N(limit/2)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

func roundDuration(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

// isConnectionEnd knows a server that hung up while it was starting or stopping;
// lib/pq then says no more than "bad connection".
func isConnectionEnd(err error) bool {
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded)
}
