package migrator

import (
	"context"
	"errors"

	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/source"
)

// Run opens a session and runs a plan on it. If another server process took over in the
// meantime, it opens a new session and replans from the state of that server. A migration
// is retried only once: one that crashes its server would otherwise do so forever.
func Run(ctx context.Context, o Options, plan PlanFunc) (Result, error) {
	catalog, db, err := openSourceAndSession(ctx, o)
	if err != nil {
		return Result{}, err
	}
	var t runTotals
	for tries := 1; ; tries++ {
		result, err := runSession(ctx, o, catalog, db, plan, &t)
		if err == nil {
			return t.result(result), nil
		}
		if t.add(err) {
			tries = 1
		}
		if !IsConnectionLost(err) || ctx.Err() != nil || tries > 1 {
			return Result{}, t.runError(err)
		}
		o.Postgres.DSN = o.Postgres.DSN.Primary() // waits for a standby to be promoted
		o.Postgres = db.SameTables(o.Postgres)    // resume in the schema where the run started
		next, openErr := database.Open(ctx, o.Postgres)
		if openErr != nil {
			setReason(err, migrationerror.Reason{Cause: migrationerror.DatabaseUnreachable, ReconnectErr: openErr})
			return Result{}, t.runError(errors.Join(err, openErr))
		}
		if next.Session.Server.Started == db.Session.Server.Started {
			next.Close(o.Log) // only the connection was closed, possibly on purpose
			if end := endedBy(err); end == "" {
				setReason(err, migrationerror.Reason{Cause: migrationerror.SessionEnded})
			} else if end == pqerror.AdminShutdown {
				setReason(err, migrationerror.Reason{Cause: migrationerror.SessionTerminated})
			}
			return Result{}, t.runError(err)
		}
		o.Log.Warn("connection lost; server restarted or failed over; replanning", "error", err)
		db = next
	}
}

// endedBy returns the SQLSTATE with which the server ended the session, or "" if it sent none.
func endedBy(err error) pqerror.Code {
	var lost *postgres.LostError
	if errors.As(err, &lost) && lost.Server != nil {
		return lost.Server.Code
	}
	return ""
}

// setReason sets the cause of a *migrationerror.Error whose session was lost, which no query
// could look up.
func setReason(err error, r migrationerror.Reason) {
	var fail *migrationerror.Error
	if errors.As(err, &fail) {
		fail.Reason = r
	}
}

// openSourceAndSession reads the files while it connects, because both mostly wait for
// I/O. If both fail, it returns the error of the files.
func openSourceAndSession(ctx context.Context, o Options) (*source.Catalog, *database.Database, error) {
	parent := ctx // the files are also read after this function returns
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type session struct {
		db  *database.Database
		err error
	}
	opened := make(chan session, 1)
	go func() {
		db, err := database.OpenPrimary(ctx, o.Postgres)
		opened <- session{db, err}
	}()
	catalog, err := OpenFiles(parent, o)
	if err == nil {
		if o.forUp {
			catalog.TakeDigest()
		}
		s := <-opened
		return catalog, s.db, s.err
	}
	go func() { // not awaited: a server may take long to answer
		if s := <-opened; s.err == nil {
			s.db.Close(o.Log)
		}
	}()
	return nil, nil, err
}

// IsConnectionLost reports whether the connection was lost.
func IsConnectionLost(err error) bool {
	var lost *postgres.LostError
	return errors.As(err, &lost)
}

// mayBeTransient reports whether another running migrator can be the cause of an error:
// until it finishes, its migration looks partially applied. Only the lock holder can decide.
func mayBeTransient(err error) bool {
	var (
		doubt   *resume.UnknownOutcomeError
		changed *resume.ChangedError
		session *resume.SessionStateError
		table   *history.TableError
	)
	return errors.As(err, &table) || errors.As(err, &session) || IsRefused(err) || errors.As(err, &doubt) || errors.As(err, &changed)
}

func runSession(ctx context.Context, o Options, catalog *source.Catalog, db *database.Database, plan PlanFunc, t *runTotals) (Result, error) {
	defer db.Close(o.Log)
	if db.Session.Server.Standby {
		return Result{}, &postgres.ConnectError{Target: db.Session.Target(), Attempts: 1, Err: postgres.ErrStandby, Permanent: true}
	}
	// The first check takes no lock, so fifty pods that have nothing to do need not wait
	// for each other. It does not see what a running migrator has not committed.
	d, err := makePlan(ctx, o, catalog, db, plan)
	if err == nil && len(d.plan.Steps)+len(d.imports) == 0 || err != nil && !mayBeTransient(err) {
		return resultOf(d.plan, 0), err
	}
	err = db.Lock(ctx, func(ctx context.Context) (bool, error) {
		version, clean, err := db.Store.Head(ctx)
		d.plan = planner.Plan{From: version.Version, To: version.Version}
		return err == nil && o.forUp && isUpToDate(catalog, version, clean), err
	})
	if errors.Is(err, lock.ErrNotNeeded) {
		return resultOf(d.plan, 0), nil
	}
	if err != nil {
		return Result{}, err
	}
	result, err := runLocked(ctx, o, catalog, db, plan, t)
	if ctx.Err() == nil {
		// The server would release it with the session, but later than the next attempt may start.
		if unlockErr := db.Locker.Unlock(ctx); unlockErr != nil && err == nil {
			err = unlockErr
		}
	}
	return result, err
}

// runLocked plans and runs, and replans if another migrator has run in between: behind a
// pooler the lock is free from one migration to the next.
func runLocked(ctx context.Context, o Options, catalog *source.Catalog, db *database.Database, plan PlanFunc, t *runTotals) (Result, error) {
	for {
		result, err := runPlan(ctx, o, catalog, db, plan)
		if !errors.Is(err, lock.ErrVersionChanged) {
			return result, err
		}
		t.add(err)
		o.Log.Info("schema version changed by another migrator; replanning")
		if err := db.Locker.Reacquire(ctx); err != nil {
			return Result{}, err
		}
	}
}

// runTotals holds the results of the earlier plans of a run that took several plans.
type runTotals struct {
	began bool
	from  int
	done  []planner.Step
}

// add adds a plan that did not complete. It reports whether the plan applied any migration.
func (t *runTotals) add(err error) bool {
	var run *RunError
	if !errors.As(err, &run) {
		return false
	}
	if !t.began {
		t.began, t.from = true, run.Plan.From
	}
	t.done = append(t.done, run.Plan.Steps[:run.Applied]...)
	run.Plan.Steps = run.Plan.Steps[run.Applied:]
	progressed := run.Applied > 0
	run.Applied = 0
	return progressed
}

// result returns the result of the last plan, combined with those of the earlier ones.
func (t *runTotals) result(r Result) Result {
	if t.began {
		r.From, r.Applied, r.Steps = t.from, len(t.done)+r.Applied, append(t.done, r.Steps...)
	}
	return r
}

// runError returns the error that ended the last plan, combined with the results of the earlier ones.
func (t *runTotals) runError(err error) error {
	if len(t.done) == 0 {
		return err
	}
	var run *RunError
	if !errors.As(err, &run) {
		run = &RunError{Err: err, Plan: planner.Plan{To: t.done[len(t.done)-1].Target}}
		err = run
	}
	run.Plan.From, run.Plan.Steps, run.Applied = t.from, append(t.done, run.Plan.Steps...), len(t.done)
	return err
}
