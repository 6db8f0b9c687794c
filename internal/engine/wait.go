package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
)

// The pause between two looks grows from minLook to maxLook: a waiter comes at
// most about as late as it has waited, and fifty of them are ten connections a
// second. Each look has a connection of its own, because fifty idle ones would be
// half of what a server lets in by default.
const (
	minLook = 200 * time.Millisecond
	maxLook = 5 * time.Second
	// lookTimeout bounds one look: a version table that somebody has locked
	// (golang-migrate truncates it) answers nothing.
	lookTimeout = 15 * time.Second
)

var errNoAnswer = fmt.Errorf("the version table did not answer within %s", lookTimeout)

// WaitError is a wait that ended before the schema was there.
type WaitError struct {
	Target  string // user@host:port/database
	Missing string // what was waited for at last
	Waited  time.Duration
	// Unreachable is what the last look met when it did not get as far as the database.
	Unreachable error
	// Unreadable is set when the role may not read the version table.
	Unreadable bool
	// Unresponsive is set when the version table did not answer.
	Unresponsive bool
	Err          error // why the wait ended
}

func (e *WaitError) Error() string { return fmt.Sprintf("%v while waiting: %s", e.Err, e.Missing) }
func (e *WaitError) Unwrap() error { return e.Err }

// Wait returns once the database has every migration of the files, or version
// *want where that is given, and is not dirty. It migrates nothing, takes no lock,
// and needs no right but to read the version table. It waits as long as ctx lives;
// errors are a *WaitError, or what no waiting mends.
func Wait(ctx context.Context, o Options, want *uint) (version int, err error) {
	judge := func(st plan.State) (string, error) { return plan.Missing(st, int(*want)), nil }
	if want == nil {
		catalog, err := open(ctx, o)
		if err != nil {
			return 0, err
		}
		judge = func(st plan.State) (string, error) { return plan.ForWait(catalog, st, o.Policy) }
	}
	o.Postgres.WaitForDB = 0
	w := waiter{o: o, judge: judge, start: time.Now(), shown: o.Postgres.Progress.StartWait()}
	defer w.shown.End()
	for pause := minLook; ; pause = min(pause*2, maxLook) {
		version, there, err := w.look(ctx)
		if there || err != nil {
			return version, err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
			return 0, w.over(ctx)
		}
	}
}

type waiter struct {
	o     Options
	judge func(plan.State) (string, error)
	start time.Time
	last  WaitError
	// inside says that a look has got as far as the database.
	inside bool
	shown  *progress.Activity
	atWork []progress.Fact // who migrates meanwhile
}

// look goes once to the database. What keeps it from being there is logged when it
// is not what it was the last time.
func (w *waiter) look(ctx context.Context) (version int, there bool, err error) {
	short, cancel := context.WithTimeoutCause(ctx, lookTimeout, errNoAnswer)
	defer cancel()
	now := WaitError{Target: w.o.Postgres.DSN.String()}
	st, err := w.glance(short)
	if err == nil {
		now.Missing, err = w.judge(st)
		if now.Missing == "" || err != nil {
			return st.Version, err == nil, err
		}
	} else if ctx.Err() != nil {
		return 0, false, w.over(ctx)
	} else if !now.hope(err) {
		return 0, false, err
	}
	now.Missing = w.o.Postgres.DSN.Redact(now.Missing)
	if now.Missing != w.last.Missing && w.last.Missing != "" {
		w.shown.Reset()
	}
	w.shown.Show(w.moment(ctx, now))
	w.last = now
	return 0, false, nil
}

// moment is what the wait is for, and who is at work on it.
func (w *waiter) moment(ctx context.Context, now WaitError) progress.Status {
	facts := []progress.Fact{
		{Name: "database", Value: now.Target},
		{Name: "for", Value: now.Missing, Bar: "waiting: " + now.Missing},
	}
	facts = append(facts, w.atWork...)
	return progress.Status{Message: "waiting", TimeName: "waited", Facts: append(facts, untilDeadline(ctx)...)}
}

// hope says whether waiting can mend an error, and if so takes note of it.
func (e *WaitError) hope(err error) bool {
	var connect *postgres.ConnectError
	var lost *postgres.LostError
	var role *postgres.RoleError
	switch {
	case errors.As(err, &role):
		return false
	case errors.As(err, &connect) && (!connect.Permanent || errors.Is(err, postgres.ErrNotPostgres)):
		e.Missing, e.Unreachable = fmt.Sprintf("the database cannot be reached: %v", connect.Err), connect.Err
	case errors.As(err, &lost):
		e.Missing, e.Unreachable = fmt.Sprintf("the connection to the database was lost: %v", lost.Err), lost.Err
	case errors.Is(err, errNoAnswer):
		e.Missing, e.Unresponsive = errNoAnswer.Error(), true
	case errors.Is(err, postgres.ErrNoSchema):
		e.Missing = "the schema of the version table does not exist yet, or the role has no USAGE on it"
	case pq.As(err, pqerror.InsufficientPrivilege) != nil:
		e.Missing, e.Unreadable = fmt.Sprintf("the version table cannot be read: %v", err), true
	case pq.As(err, pqerror.UndefinedTable) != nil: // it went between two queries
		e.Missing = "the version table does not exist yet"
	default:
		return false
	}
	return true
}

// over is the end of a wait by a signal, or for lack of time.
func (w *waiter) over(ctx context.Context) error {
	e := w.last
	e.Target, e.Err, e.Waited = w.o.Postgres.DSN.String(), context.Cause(ctx), time.Since(w.start)
	switch {
	case e.Missing != "":
	case w.inside:
		e.Missing, e.Unresponsive = "the version table has not answered yet", true
	default:
		e.Unreachable = errors.New("no answer yet")
		e.Missing = "the database cannot be reached: no answer yet"
	}
	return &e
}

// glance reads the version and, where the role may, the journal; what the files
// say is not compared.
func (w *waiter) glance(ctx context.Context) (plan.State, error) {
	db, err := postgres.Open(ctx, w.o.Postgres)
	if err != nil {
		return plan.State{}, err
	}
	w.inside, w.atWork = true, nil
	defer closeQuietly(w.o, db)
	version, err := db.State(ctx)
	if err != nil {
		return plan.State{}, err
	}
	journal, err := db.LatestRuns(ctx)
	if err != nil && pq.As(err, pqerror.InsufficientPrivilege) == nil {
		return plan.State{}, err
	}
	st := plan.State{Version: version.Version, Dirty: version.Dirty}
	for _, r := range journal {
		st.Runs = append(st.Runs, runOf(r, version.Dirty))
	}
	w.atWork, err = db.LockHolder(ctx)
	return st, err
}
