package postgres

import (
	"context"
	"net"
	"time"
)

// probeTimeout bounds the second connection of sharesServers: a pool of one
// server, in session mode, lets nobody else in.
const probeTimeout = 2 * time.Second

// direct says that the server sees our own connection: it names our port.
func (db *DB) direct() bool {
	a, ok := db.link.LocalAddr().(*net.TCPAddr)
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
func (db *DB) sharesServers(ctx context.Context) (bool, error) {
	if db.direct() {
		return false, nil
	}
	ours, theirs := sight{db.Server.PID: true}, sight{}
	if err := db.look(ctx, ours, ""); err != nil || len(ours) > 1 {
		return len(ours) > 1, err
	}
	short, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var failed error // on our own session
	err := db.afresh(short, func(second *DB) error {
		theirs[second.Server.PID] = true
		err := second.look(short, theirs, "") // in a pool of one this tells, and the next steps would wait for ever
		for round := 0; round < probeRounds && err == nil && failed == nil && !ours.shares(theirs); round++ {
			failed, err = db.probe(ctx, short, second, ours, theirs)
		}
		return err
	})
	if err != nil {
		db.log.Debug("no second connection to look for a pooler with", "error", err)
	}
	return ours.shares(theirs), failed
}

// probe is one round: while we keep a server, the second client gets another one,
// and then ours lies on top of what is idle. It returns our own error and the second's.
func (db *DB) probe(ctx, short context.Context, second *DB, ours, theirs sight) (own, other error) {
	if own = db.look(ctx, ours, "BEGIN;"); own != nil {
		return own, nil
	}
	other = second.look(short, theirs, "")
	own = db.exec(ctx, "COMMIT")
	for range 2 {
		if own == nil && other == nil {
			other = second.look(short, theirs, "")
		}
	}
	if own == nil && other == nil {
		own = db.look(ctx, ours, "")
	}
	return own, other
}

// sight is the servers that a client has got, by the process id of their backends.
type sight map[int]bool

// shares says whether a client got several servers, or two clients the same one.
func (s sight) shares(other sight) bool {
	for pid := range other {
		if s[pid] {
			return true
		}
	}
	return len(s) > 1 || len(other) > 1
}

// look notes which server answers; before is SQL in the same query.
func (db *DB) look(ctx context.Context, seen sight, before string) error {
	var pid int
	if err := db.row(ctx, before+"SELECT pg_catalog.pg_backend_pid()").Scan(&pid); err != nil {
		return db.lost(ctx, err)
	}
	seen[pid] = true
	return nil
}
