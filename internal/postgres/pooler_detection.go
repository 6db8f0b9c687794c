package postgres

import (
	"context"
	"errors"
	"net"
	"time"
)

// Limits of DetectTransactionPooling for opening a second connection: a pool of one server in
// session mode accepts no other client. After probeQuiet, the limit is a number of answers to the
// first session with a pause before each, so that a busy machine is not mistaken for such a pool.
const (
	probeQuiet   = 2 * time.Second
	probeAnswers = 10
	probePause   = 100 * time.Millisecond
)

// probeTimeout limits the rounds of DetectTransactionPooling. In session mode, every client has a
// server by then; a client that waits longer shares its server.
const probeTimeout = 10 * time.Second

// isDirect reports whether the server sees this connection's own port.
func (db *Session) isDirect() bool {
	a, ok := db.netConn.LocalAddr().(*net.TCPAddr)
	return ok && a.Port == db.Server.Port
}

// probeRounds is the number of rounds. In an idle pool one round is sufficient; in a busy pool
// other clients may take the servers that a round expects.
const probeRounds = 2

// DetectTransactionPooling reports whether a pooler runs the transactions of one session on several
// servers, or those of two clients on one server. A pooler reports its mode only to its
// administrator. Therefore, if the server sees a different connection (a pooler, a proxy, NAT, a
// Unix socket), a second client connects and both record which backend answers. In session mode it
// is always the same.
func (db *Session) DetectTransactionPooling(ctx context.Context) (bool, error) {
	if db.isDirect() {
		return false, nil
	}
	firstPIDs, secondPIDs := backendPIDs{db.Server.PID: true}, backendPIDs{}
	if err := db.recordBackendPID(ctx, firstPIDs, ""); err != nil || len(firstPIDs) > 1 {
		return len(firstPIDs) > 1, err
	}
	second, err := db.openSecondClient(ctx, firstPIDs, secondPIDs)
	if second == nil {
		return firstPIDs.showPooling(secondPIDs), err
	}
	defer func() {
		if err := second.Close(); err != nil {
			db.Log.Debug("could not close the second connection for pooler detection", "error", err)
		}
	}()
	short, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for round := 0; round < probeRounds && !firstPIDs.showPooling(secondPIDs); round++ {
		firstErr, secondErr := db.probeRound(ctx, short, second, firstPIDs, secondPIDs)
		if firstErr != nil || ctx.Err() != nil {
			return firstPIDs.showPooling(secondPIDs), firstErr
		}
		if short.Err() != nil {
			return true, nil
		}
		if secondErr != nil {
			db.Log.Debug("second connection for pooler detection lost", "error", secondErr)
			break
		}
	}
	return firstPIDs.showPooling(secondPIDs), nil
}

// openSecondClient opens a second connection and records which backend answers. It returns nil if
// the second client gets no answer while the first session does, or if the recorded backends are
// already sufficient. The error is that of the first session.
func (db *Session) openSecondClient(ctx context.Context, firstPIDs, secondPIDs backendPIDs) (*Session, error) {
	type client struct {
		db  *Session
		err error
	}
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	came := make(chan client, 1)
	go func() {
		second, err := db.openSecondSession(short)
		if err == nil {
			secondPIDs[second.Server.PID] = true
			err = second.recordBackendPID(short, secondPIDs, "")
		}
		came <- client{second, err}
	}()
	var c client
	var firstErr error
	pause := probeQuiet
	for answers := 0; c.db == nil && c.err == nil; answers++ {
		select {
		case c = <-came:
			continue
		case <-time.After(pause):
			pause = probePause
		}
		if firstErr == nil {
			firstErr = db.recordBackendPID(ctx, firstPIDs, "")
		}
		if firstErr != nil || len(firstPIDs) > 1 || answers >= probeAnswers {
			cancel()
			c = <-came
		}
	}
	if c.err != nil || firstErr != nil || len(firstPIDs) > 1 {
		if c.err != nil {
			db.Log.Debug("no second connection for pooler detection", "error", c.err)
		}
		if c.db != nil {
			firstErr = errors.Join(firstErr, c.db.Close())
		}
		return nil, firstErr
	}
	return c.db, nil
}

// probeRound runs one round: while the first session holds a server, the second client gets another
// one, after which the first server is the next idle one. It returns the errors of the first and
// second session.
func (db *Session) probeRound(ctx, short context.Context, second *Session, firstPIDs, secondPIDs backendPIDs) (firstErr, secondErr error) {
	if firstErr = db.recordBackendPID(ctx, firstPIDs, "BEGIN;"); firstErr != nil {
		return firstErr, nil
	}
	secondErr = second.recordBackendPID(short, secondPIDs, "")
	firstErr = db.Exec(ctx, "COMMIT")
	for range 2 {
		if firstErr == nil && secondErr == nil {
			secondErr = second.recordBackendPID(short, secondPIDs, "")
		}
	}
	if firstErr == nil && secondErr == nil {
		firstErr = db.recordBackendPID(ctx, firstPIDs, "")
	}
	return firstErr, secondErr
}

// backendPIDs is the set of backends that answered a client.
type backendPIDs map[int]bool

// showPooling reports whether a client had several backends or two clients had the same one.
func (s backendPIDs) showPooling(other backendPIDs) bool {
	for pid := range other {
		if s[pid] {
			return true
		}
	}
	return len(s) > 1 || len(other) > 1
}

// recordBackendPID adds the backend that answers to seen; before is SQL that runs in the same
// query.
func (db *Session) recordBackendPID(ctx context.Context, seen backendPIDs, before string) error {
	var pid int
	if err := db.QueryRow(ctx, before+"SELECT pg_catalog.pg_backend_pid()").Scan(&pid); err != nil {
		return db.ClassifyError(ctx, err)
	}
	seen[pid] = true
	return nil
}
