package status

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/postgres/wire"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/retry"
)

// The interval between two checks grows from minInterval to maxInterval: the delay is at
// most about the time already waited, and fifty waiters open ten connections a second. Each
// check opens its own connection, because fifty idle ones would be half of what a server
// accepts by default.
const (
	minInterval = 200 * time.Millisecond
	maxInterval = 5 * time.Second
	// queryTimeout limits one check: queries wait while another session has locked the
	// version table (golang-migrate truncates it).
	queryTimeout = 15 * time.Second
)

var errQueryTimeout = fmt.Errorf("reading the version table timed out after %s", queryTimeout)

// A WaitError reports a wait that ended before the schema was up to date.
type WaitError struct {
	Target  string // user@host:port/database
	Missing string // what the last check waited for
	Waited  time.Duration
	// Unreachable is the error of the last check if it could not reach the database.
	Unreachable error
	// Unreadable reports whether the role has no permission to read the version table.
	Unreadable bool
	// Unresponsive reports whether reading the version table timed out.
	Unresponsive bool
	Err          error // why the wait ended
}

func (e *WaitError) Error() string { return fmt.Sprintf("%v while waiting: %s", e.Err, e.Missing) }
func (e *WaitError) Unwrap() error { return e.Err }

// Wait returns once the database has every migration of the files, or version *want if it
// is given, and is not dirty. It migrates nothing, takes no lock, and needs only SELECT on
// the version table. It waits until ctx ends. Errors are a *WaitError, or errors that
// waiting cannot resolve.
func Wait(ctx context.Context, o migrator.Options, want *uint) (version int, err error) {
	missing := func(st planner.State) (string, error) { return planner.Missing(st, int(*want)), nil }
	if want == nil {
		catalog, err := migrator.OpenFiles(ctx, o)
		if err != nil {
			return 0, err
		}
		missing = func(st planner.State) (string, error) { return planner.ForWait(catalog, st, o.Policy) }
	}
	o.Postgres.WaitForDB = 0
	w := waiter{o: o, missing: missing, start: time.Now(), display: o.Postgres.Progress.StartWait()}
	defer w.display.End()
	err = retry.Do(ctx, retry.Policy{First: minInterval, Max: maxInterval}, func() error {
		var there bool
		if version, there, err = w.check(ctx); err != nil {
			return retry.Permanent(err)
		} else if !there {
			return errNotUpToDate
		}
		return nil
	})
	if errors.Is(err, errNotUpToDate) {
		return 0, w.ended(ctx)
	}
	return version, err
}

var errNotUpToDate = errors.New("the schema is not up to date")

type waiter struct {
	o       migrator.Options
	missing func(planner.State) (string, error)
	start   time.Time
	last    WaitError
	// reachedDatabase reports whether a check has reached the database.
	reachedDatabase bool
	display         *progress.Activity
	activity        []progress.Fact // the activity of the running migrator
}

// check reads the state of the database once. It logs the missing condition if it changed
// since the last check.
func (w *waiter) check(ctx context.Context) (version int, there bool, err error) {
	short, cancel := context.WithTimeoutCause(ctx, queryTimeout, errQueryTimeout)
	defer cancel()
	now := WaitError{Target: w.o.Postgres.DSN.String()}
	st, err := w.readState(short)
	if err == nil {
		now.Missing, err = w.missing(st)
		if now.Missing == "" || err != nil {
			return st.Version, err == nil, err
		}
	} else if ctx.Err() != nil {
		return 0, false, w.ended(ctx)
	} else if !now.isRetryable(err) {
		return 0, false, err
	}
	now.Missing = w.o.Postgres.DSN.Redact(now.Missing)
	if now.Missing != w.last.Missing && w.last.Missing != "" {
		w.display.Reset()
	}
	w.display.Show(w.status(ctx, now))
	w.last = now
	return 0, false, nil
}

// status returns what the wait is for, and the activity of the running migrator.
func (w *waiter) status(ctx context.Context, now WaitError) progress.Status {
	facts := []progress.Fact{
		{Name: "database", Value: now.Target},
		{Name: "for", Value: now.Missing, Bar: "waiting: " + now.Missing},
	}
	facts = append(facts, w.activity...)
	return progress.Status{Message: "waiting", TimeName: "waited", Facts: append(facts, lock.UntilDeadline(ctx)...)}
}

// isRetryable reports whether waiting can resolve an error, and if so records it in e.
func (e *WaitError) isRetryable(err error) bool {
	var connect *postgres.ConnectError
	var lost *postgres.LostError
	var role *postgres.RoleError
	switch {
	case errors.As(err, &role):
		return false
	case errors.As(err, &connect) && (!connect.Permanent || errors.Is(err, wire.ErrNotPostgres)):
		e.Missing, e.Unreachable = fmt.Sprintf("the database cannot be reached: %v", connect.Err), connect.Err
	case errors.As(err, &lost):
		e.Missing, e.Unreachable = fmt.Sprintf("the connection to the database was lost: %v", lost.Err), lost.Err
	case errors.Is(err, errQueryTimeout):
		e.Missing, e.Unresponsive = errQueryTimeout.Error(), true
	case errors.Is(err, history.ErrNoSchema):
		e.Missing = "the schema of the version table does not exist yet, or the role has no USAGE on it"
	case pq.As(err, pqerror.InsufficientPrivilege) != nil:
		e.Missing, e.Unreadable = fmt.Sprintf("the version table cannot be read: %v", err), true
	case pq.As(err, pqerror.UndefinedTable) != nil: // it was dropped between two queries
		e.Missing = "the version table does not exist yet"
	default:
		return false
	}
	return true
}

// ended returns the error of a wait that a signal or a timeout ended.
func (w *waiter) ended(ctx context.Context) error {
	e := w.last
	e.Target, e.Err, e.Waited = w.o.Postgres.DSN.String(), context.Cause(ctx), time.Since(w.start)
	switch {
	case e.Missing != "":
	case w.reachedDatabase:
		e.Missing, e.Unresponsive = "reading the version table has not finished", true
	default:
		e.Unreachable = errors.New("no response yet")
		e.Missing = "the database cannot be reached: no response yet"
	}
	return &e
}

// readState reads the version and, if the role has permission, the history table. It does
// not compare the files.
func (w *waiter) readState(ctx context.Context) (planner.State, error) {
	db, err := database.Open(ctx, w.o.Postgres)
	if err != nil {
		return planner.State{}, err
	}
	w.reachedDatabase, w.activity = true, nil
	defer db.Close(w.o.Log)
	version, err := db.Store.State(ctx)
	if err != nil {
		return planner.State{}, err
	}
	entries, err := db.Store.LatestEntries(ctx)
	if err != nil && pq.As(err, pqerror.InsufficientPrivilege) == nil {
		return planner.State{}, err
	}
	st := planner.State{Version: version.Version, Dirty: version.Dirty, Entries: entries}
	w.activity, err = lock.HolderFacts(ctx, db.Store)
	return st, err
}
