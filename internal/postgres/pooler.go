package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
)

// PgBouncer in transaction mode, and its kin, lend a server's session for one
// transaction: what belongs to a session (an advisory lock, a SET, a statement
// that refuses a transaction between two others) is then lost, or worse, found by
// somebody else. So each transaction takes the lock for itself and looks whether
// the version is still the one that was planned from.

// ErrMoved says that the version is no longer the one that was planned from:
// another migrator has been at work since. Nothing was done; plan again.
var ErrMoved = errors.New("another migrator has moved the version")

// ErrNoTransactions says that the pooler lends a server for one statement only.
var ErrNoTransactions = errors.New("the pooler ends a connection that begins a transaction: it is in statement mode, in which nothing can be migrated")

// probeTimeout bounds the second connection of sharesServers: a pool of one
// server, in session mode, lets nobody else in.
const probeTimeout = 2 * time.Second

// Pooled says, once the lock is held, that a pooler in transaction mode is in between.
func (db *DB) Pooled() bool { return db.pooled }

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
		for range probeRounds {
			if err != nil || ours.shares(theirs) {
				return err
			}
			// While we keep ours, they get another one; then ours lies on top of what is idle.
			if failed = db.look(ctx, ours, "BEGIN;"); failed != nil {
				return nil
			}
			err = second.look(short, theirs, "")
			failed = db.exec(ctx, "COMMIT")
			if err != nil || failed != nil {
				return err
			}
			for range 2 {
				if err = second.look(short, theirs, ""); err != nil {
					return err
				}
			}
			if failed = db.look(ctx, ours, ""); failed != nil {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		db.log.Debug("no second connection to look for a pooler with", "error", err)
	}
	return ours.shares(theirs), failed
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

// begin opens a transaction that holds the lock, where a pooler calls for it; from
// is what the version must be then, or nil. Errors are ErrMoved and *LockedError.
func (db *DB) begin(ctx context.Context, begin string, from *State) error {
	if err := db.Yield(ctx); err != nil {
		return err
	}
	now := State{Version: database.NilVersion}
	err := db.poll(ctx, func(ctx context.Context, key int64) (got bool, err error) {
		got, now, err = db.beginLocked(ctx, begin, key)
		if err == nil && !got {
			err = db.exec(ctx, "ROLLBACK")
		}
		return got, err
	})
	if err != nil {
		return err
	}
	db.open = true
	if from == nil {
		return nil
	}
	if !db.exists {
		now, err = db.State(ctx)
	}
	if err == nil && now != *from {
		err = ErrMoved
	}
	return err
}

// transactions tells a pooler in statement mode, which ends a connection that
// begins a transaction, from a connection that broke.
func (db *DB) transactions(ctx context.Context, err error) error {
	var lost *LostError
	if !errors.As(err, &lost) || ctx.Err() != nil {
		return err
	}
	again := db.afresh(ctx, func(fresh *DB) error {
		if fresh.exec(ctx, "BEGIN") != nil {
			return ErrNoTransactions
		}
		return nil
	})
	if errors.Is(again, ErrNoTransactions) {
		return ErrNoTransactions
	}
	return err
}

// beginLocked opens a transaction, tries to get the lock and reads the version, in one round trip.
func (db *DB) beginLocked(ctx context.Context, begin string, key int64) (got bool, now State, err error) {
	query := begin
	if db.Server.number >= 140000 {
		query += "SET LOCAL client_connection_check_interval = 3000;\n"
	}
	query += fmt.Sprintf("SELECT pg_catalog.pg_try_advisory_xact_lock(%d), pg_catalog.pg_backend_pid();\n", key)
	if db.exists {
		query += "SELECT version, dirty FROM " + db.table.quoted() + " LIMIT 1"
	}
	now.Version = database.NilVersion
	rows, err := db.rows(ctx, query)
	if err != nil {
		return false, now, db.lost(ctx, err)
	}
	for rows.Next() && err == nil {
		err = rows.Scan(&got, &db.Server.PID)
	}
	if err == nil && rows.NextResultSet() && rows.Next() {
		err = rows.Scan(&now.Version, &now.Dirty)
	}
	return got, now, db.lost(ctx, errors.Join(err, rows.Err(), rows.Close()))
}

// Regain takes the lock again after ErrMoved, until Yield or Unlock, so that what
// is read then stays true.
func (db *DB) Regain(ctx context.Context) error {
	if !db.pooled || db.open {
		return nil
	}
	if err := db.begin(ctx, "BEGIN;\n", nil); err != nil {
		return err
	}
	return db.lookAround(ctx) // what we saw before may be old
}

// hasBegun says whether a migration that ended so was begun.
func hasBegun(err error) bool {
	var locked *LockedError
	return !errors.Is(err, ErrMoved) && !errors.As(err, &locked)
}

// Yield commits the transaction that Lock has opened behind a pooler, and with it
// gives the lock back; each migration's transaction takes it again. Elsewhere it
// does nothing: a session keeps its lock.
func (db *DB) Yield(ctx context.Context) error {
	if !db.open {
		return nil
	}
	db.open = false
	return db.exec(ctx, "COMMIT")
}
