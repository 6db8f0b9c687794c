package postgres

import (
	"context"
	"errors"
	"net"
	"time"
)

// How long sharesServers waits for a second connection: a pool of one server, in
// session mode, lets no other client in. After probeQuiet it is counted in answers to
// our own session, with a pause before each, so that a busy machine is not taken for
// such a pool.
const (
	probeQuiet   = 2 * time.Second
	probeAnswers = 10
	probePause   = 100 * time.Millisecond
)

// probeTimeout bounds the rounds of sharesServers. In session mode each client has a
// server by then, so one that waits for longer shares its server with others.
const probeTimeout = 10 * time.Second

// direct says that the server sees our own connection: it names our port.
func (db *DB) isDirect() bool {
	a, ok := db.netConn.LocalAddr().(*net.TCPAddr)
	return ok && a.Port == db.Server.port
}

// probeRounds is how often two clients are looked at. In a pool at rest one round
// tells; in a busy one others take the servers that the round has laid out.
const probeRounds = 2

// sharesServers finds out whether a pooler hands our transactions to different
// servers, or one server to two clients. No pooler can be asked for its mode by
// who is not its administrator. So, where the server sees another connection than
// ours (a pooler, a proxy, address translation, a Unix socket), a second client
// comes, and both look which server they get. In a session's own hands it is always the same.
func (db *DB) detectTransactionPooling(ctx context.Context) (bool, error) {
	if db.isDirect() {
		return false, nil
	}
	ours, theirs := backendPIDs{db.Server.PID: true}, backendPIDs{}
	if err := db.recordBackendPID(ctx, ours, ""); err != nil || len(ours) > 1 {
		return len(ours) > 1, err
	}
	second, err := db.openSecondClient(ctx, ours, theirs)
	if second == nil {
		return ours.showPooling(theirs), err
	}
	defer func() {
		if err := second.Close(); err != nil {
			db.log.Debug("closing the second connection", "error", err)
		}
	}()
	short, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for round := 0; round < probeRounds && !ours.showPooling(theirs); round++ {
		own, other := db.probeRound(ctx, short, second, ours, theirs)
		if own != nil || ctx.Err() != nil {
			return ours.showPooling(theirs), own
		}
		if short.Err() != nil {
			return true, nil
		}
		if other != nil {
			db.log.Debug("the second connection to look for a pooler with has ended", "error", other)
			break
		}
	}
	return ours.showPooling(theirs), nil
}

// secondClient connects once more and notes which server answers. It returns nil where
// none does while our own session gets its answers, or where that suffices: theirs, or
// ours, then has the server. The error is our own session's.
func (db *DB) openSecondClient(ctx context.Context, ours, theirs backendPIDs) (*DB, error) {
	type client struct {
		db  *DB
		err error
	}
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	came := make(chan client, 1)
	go func() {
		second, err := db.openSecondSession(short)
		if err == nil {
			theirs[second.Server.PID] = true
			err = second.recordBackendPID(short, theirs, "")
		}
		came <- client{second, err}
	}()
	var c client
	var own error
	pause := probeQuiet
	for answers := 0; c.db == nil && c.err == nil; answers++ {
		select {
		case c = <-came:
			continue
		case <-time.After(pause):
			pause = probePause
		}
		if own == nil {
			own = db.recordBackendPID(ctx, ours, "")
		}
		if own != nil || len(ours) > 1 || answers >= probeAnswers {
			cancel()
			c = <-came
		}
	}
	if c.err != nil || own != nil || len(ours) > 1 {
		if c.err != nil {
			db.log.Debug("no second connection to look for a pooler with", "error", c.err)
		}
		if c.db != nil {
			own = errors.Join(own, c.db.Close())
		}
		return nil, own
	}
	return c.db, nil
}

// probe is one round: while we keep a server, the second client gets another one,
// and then ours lies on top of what is idle. It returns our own error and the second's.
func (db *DB) probeRound(ctx, short context.Context, second *DB, ours, theirs backendPIDs) (own, other error) {
	if own = db.recordBackendPID(ctx, ours, "BEGIN;"); own != nil {
		return own, nil
	}
	other = second.recordBackendPID(short, theirs, "")
	own = db.exec(ctx, "COMMIT")
	for range 2 {
		if own == nil && other == nil {
			other = second.recordBackendPID(short, theirs, "")
		}
	}
	if own == nil && other == nil {
		own = db.recordBackendPID(ctx, ours, "")
	}
	return own, other
}

// sight is the servers that a client has got, by the process id of their backends.
type backendPIDs map[int]bool

// shares says whether a client got several servers, or two clients the same one.
func (s backendPIDs) showPooling(other backendPIDs) bool {
	for pid := range other {
		if s[pid] {
			return true
		}
	}
	return len(s) > 1 || len(other) > 1
}

// look notes which server answers; before is SQL in the same query.
func (db *DB) recordBackendPID(ctx context.Context, seen backendPIDs, before string) error {
	var pid int
	if err := db.queryRow(ctx, before+"SELECT pg_catalog.pg_backend_pid()").Scan(&pid); err != nil {
		return db.classifyError(ctx, err)
	}
	seen[pid] = true
	return nil
}
