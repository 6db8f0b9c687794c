package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// The pause after a lock timeout grows from minYield to maxYield: the queries that
// have queued behind us must get through, and whoever holds the lock may be long.
const (
	minYield = 500 * time.Millisecond
	maxYield = 10 * time.Second
)

// limits is the SQL that sets the lock and statement timeouts, by SET or SET LOCAL.
func (db *DB) limits(set string, lock time.Duration) string {
	var out strings.Builder
	if db.opts.LockTimeout > 0 {
		fmt.Fprintf(&out, "%s lock_timeout = %d;\n", set, lock.Milliseconds())
	}
	if db.opts.StatementTimeout > 0 {
		fmt.Fprintf(&out, "%s statement_timeout = %d;\n", set, db.opts.StatementTimeout.Milliseconds())
	}
	return out.String()
}

// setLimits sets the session's timeouts for a statement outside a transaction. One
// that refuses a transaction gets no lock timeout: CREATE INDEX CONCURRENTLY and
// its like wait for every older transaction by lock, nobody has to queue behind
// them, and to fail half-way costs the whole work.
func (db *DB) setLimits(ctx context.Context, st Statement) error {
	lock := db.opts.LockTimeout
	if st.alone {
		lock = 0
	}
	if set := db.limits("SET", lock); set != "" {
		return db.exec(ctx, set)
	}
	return nil
}

// Politely is for several migrations that are one transaction: it runs attempt
// again, after a pause, for as long as it ends in a lock timeout.
func (db *DB) Politely(ctx context.Context, attempt func() error) error {
	var err error
	db.politely(ctx, func() *MigrationError {
		var fail *MigrationError
		if err = attempt(); errors.As(err, &fail) {
			return fail
		}
		return nil
	})
	return err
}

// politely runs attempt again, after a pause, for as long as it ends in a lock
// timeout with everything rolled back. ctx bounds it.
func (db *DB) politely(ctx context.Context, attempt func() *MigrationError) *MigrationError {
	var last *MigrationError
	for try := 1; ; try++ {
		watch := db.watchBlockers(ctx)
		fail := attempt()
		blockers := watch()
		if fail != nil && last != nil && ctx.Err() != nil {
			fail.recall(last)
		}
		if fail == nil || pq.As(fail.Err, pqerror.LockNotAvailable) == nil || fail.Outcome == Unknown {
			return fail
		}
		fail.Blockers, last = blockers, fail
		pause := jittered(min(minYield<<min(try-1, 10), maxYield))
		db.log.Warn("lock timeout: rolled back, so that the queries behind it can go on; trying again",
			"lock_timeout", db.opts.LockTimeout, "pause", round(pause), "try", try, "blockers", blockers)
		if err := db.rollback(ctx, ""); err != nil {
			fail.Err = errors.Join(fail.Err, err)
			return fail
		}
		if err := sleep(ctx, pause); err != nil {
			fail.Err = errors.Join(err, fail.Err)
			return fail
		}
	}
}

// recall takes over what an earlier try has learnt about the place where this one,
// too, was when its time was over.
func (e *MigrationError) recall(earlier *MigrationError) {
	if e.File != earlier.File || e.Outcome != RolledBack {
		return
	}
	if e.Failed < 0 {
		e.Script, e.Failed, e.Offset = earlier.Script, earlier.Failed, earlier.Offset
	}
	if len(e.Blockers) == 0 {
		e.Blockers = earlier.Blockers
	}
}

// watchBlockers looks, from a second session, who keeps the first one waiting. It
// begins after half the lock timeout, so that a migration that meets nobody costs
// no connection. The function it returns ends the watch and tells what was seen last.
func (db *DB) watchBlockers(ctx context.Context) func() []string {
	if db.opts.LockTimeout <= 0 {
		return func() []string { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	seen := make(chan []string, 1)
	go func() {
		var last []string
		defer func() { seen <- last }()
		if sleep(ctx, db.opts.LockTimeout/2) != nil {
			return
		}
		err := db.afresh(ctx, func(fresh *DB) error {
			for {
				now, err := fresh.blockersOf(ctx, db.Server.PID)
				if err != nil {
					return err
				}
				if len(now) > 0 {
					last = now
				}
				if err := sleep(ctx, db.opts.LockTimeout/4); err != nil {
					return nil //nolint:nilerr // the watch is over
				}
			}
		})
		if err != nil && ctx.Err() == nil {
			db.log.Debug("cannot see who blocks", "error", err)
		}
	}()
	return func() []string {
		cancel()
		return <-seen
	}
}

// blockersOf describes the sessions that a backend waits for.
func (db *DB) blockersOf(ctx context.Context, pid int) ([]string, error) {
	rows, err := db.rows(ctx, `
		SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.state, ''),
			coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.backend_start)), 0)::bigint, coalesce(left(a.query, 120), '')
		FROM pg_catalog.pg_stat_activity a WHERE a.pid = ANY (pg_catalog.pg_blocking_pids($1)) ORDER BY a.xact_start LIMIT 5`, pid)
	if err != nil {
		return nil, db.lost(ctx, err)
	}
	var out []string
	for rows.Next() {
		var s sessionInfo
		if err := rows.Scan(&s.pid, &s.application, &s.state, &s.seconds, &s.query); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		out = append(out, s.String())
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// sessionInfo is what the server shows of another session.
type sessionInfo struct {
	pid                       int
	application, state, query string
	seconds                   int64
}

func (s sessionInfo) String() string {
	parts := []string{fmt.Sprintf("pid %d", s.pid)}
	if s.application != "" {
		parts = append(parts, fmt.Sprintf("application_name %q", s.application))
	}
	if s.state != "" {
		parts = append(parts, s.state)
	}
	parts = append(parts, fmt.Sprintf("for %s", time.Duration(s.seconds)*time.Second))
	if q := strings.Join(strings.Fields(s.query), " "); q != "" {
		parts = append(parts, fmt.Sprintf("query %q", q))
	}
	return strings.Join(parts, ", ")
}
