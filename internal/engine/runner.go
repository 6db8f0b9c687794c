package engine

import (
	"context"
	"errors"

	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

// run opens a session and runs a plan on it, and goes on with another session
// where a server has taken over meanwhile: what is planned then rests on what that
// one says. A migration gets one more try and no more, or one that brings its
// server down would do so for ever.
func run(ctx context.Context, o Options, planner planner) (Result, error) {
	catalog, db, err := openSourceAndSession(ctx, o)
	if err != nil {
		return Result{}, err
	}
	var t runTotals
	for tries := 1; ; tries++ {
		result, err := runSession(ctx, o, catalog, db, planner, &t)
		if err == nil {
			return t.result(result), nil
		}
		if t.add(err) {
			tries = 1
		}
		if !isConnectionLost(err) || ctx.Err() != nil || tries > 1 {
			return Result{}, t.runError(err)
		}
		o.Postgres.DSN = o.Postgres.DSN.Primary() // a standby may be promoted yet: it is waited for
		o.Postgres = db.SameTables(o.Postgres)    // where the run began is where it goes on
		next, openErr := postgres.Open(ctx, o.Postgres)
		if openErr != nil {
			addReason(err, "the database could not be reached again: "+connectFailure(openErr))
			return Result{}, t.runError(errors.Join(err, openErr))
		}
		if next.Server.Started == db.Server.Started {
			closeSession(o, next) // only the connection was cut, and perhaps on purpose
			if end := endedBy(err); end == "" {
				addReason(err, "the server is up and has not restarted, so only this session was ended: by an administrator (pg_terminate_backend), by a pooler or proxy, or by the network")
			} else if end == pqerror.AdminShutdown {
				addReason(err, "the server is up and has not restarted, so only this session was ended: by an administrator or a tool that calls pg_terminate_backend")
			}
			return Result{}, t.runError(err)
		}
		o.Log.Warn("the connection was lost, and another server process answers now: planning anew", "error", err)
		db = next
	}
}

// endedBy is the SQLSTATE with which the server ended the session; "" where it wrote none.
func endedBy(err error) pqerror.Code {
	var lost *postgres.LostError
	if errors.As(err, &lost) && lost.Server != nil {
		return lost.Server.Code
	}
	return ""
}

// addReason adds to what is known of a migration's end.
func addReason(err error, why string) {
	var fail *postgres.MigrationError
	if errors.As(err, &fail) {
		fail.Reason.Causes = append(fail.Reason.Causes, why)
	}
}

// connectFailure is what went wrong in a connection that did not come about.
func connectFailure(err error) string {
	var connect *postgres.ConnectError
	if errors.As(err, &connect) {
		err = connect.Err
	}
	return err.Error()
}

// openSourceAndSession reads the files while it connects: each takes its time, and
// neither needs the processor for all of it. Of two errors that of the files is told.
func openSourceAndSession(ctx context.Context, o Options) (*source.Catalog, *postgres.DB, error) {
	whole := ctx // the files are read after this, too
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type session struct {
		db  *postgres.DB
		err error
	}
	opened := make(chan session, 1)
	go func() {
		db, err := openPrimary(ctx, o)
		opened <- session{db, err}
	}()
	catalog, err := open(whole, o)
	if err == nil {
		if o.forUp {
			catalog.StartDigest()
		}
		s := <-opened
		return catalog, s.db, s.err
	}
	go func() { // not waited for: a server may be long in coming
		if s := <-opened; s.err == nil {
			closeSession(o, s.db)
		}
	}()
	return nil, nil, err
}

// openPrimary opens a session. Of several hosts it takes the primary: the others
// are standbys.
func openPrimary(ctx context.Context, o Options) (*postgres.DB, error) {
	if o.Postgres.DSN.HasMultipleHosts() {
		o.Postgres.DSN = o.Postgres.DSN.Primary()
	}
	return postgres.Open(ctx, o.Postgres)
}

// isConnectionLost says whether the connection broke.
func isConnectionLost(err error) bool {
	var lost *postgres.LostError
	return errors.As(err, &lost)
}

// mayBeTransient knows the errors that a migrator at work can be the reason of: until it is
// done, what it does looks as if it had stopped part-way. Only who has the lock knows.
func mayBeTransient(err error) bool {
	var (
		refusal *plan.Refusal
		doubt   *postgres.UnknownOutcomeError
		changed *postgres.ChangedError
		session *postgres.SessionStateError
		table   *postgres.TableError
	)
	return errors.As(err, &table) || errors.As(err, &session) || errors.As(err, &refusal) || errors.As(err, &doubt) || errors.As(err, &changed)
}

func runSession(ctx context.Context, o Options, catalog *source.Catalog, db *postgres.DB, planner planner, t *runTotals) (Result, error) {
	defer closeSession(o, db)
	if db.Server.Standby {
		return Result{}, &postgres.ConnectError{Target: db.Target(), Attempts: 1, Err: postgres.ErrStandby, Permanent: true}
	}
	// A first look without the lock: the fifty pods that find nothing to do need
	// not wait for each other. What a migrator at work has not committed is not seen.
	d, err := makePlan(ctx, o, catalog, db, planner)
	if err == nil && len(d.plan.Steps)+len(d.imports) == 0 || err != nil && !mayBeTransient(err) {
		return resultOf(d.plan, 0), err
	}
	err = db.LockUnless(ctx, func(ctx context.Context) (bool, error) {
		version, clean, err := db.Head(ctx)
		d.plan = plan.Plan{From: version.Version, To: version.Version}
		return err == nil && o.forUp && isUpToDate(catalog, version, clean), err
	})
	if errors.Is(err, postgres.ErrLockNotNeeded) {
		return resultOf(d.plan, 0), nil
	}
	if err != nil {
		return Result{}, err
	}
	result, err := runLocked(ctx, o, catalog, db, planner, t)
	if ctx.Err() == nil {
		// It would go with the session, but a moment later: the next try may be that fast.
		if unlockErr := db.Unlock(ctx); unlockErr != nil && err == nil {
			err = unlockErr
		}
	}
	return result, err
}

func closeSession(o Options, db *postgres.DB) {
	if err := db.Close(); err != nil {
		o.Log.Debug("closing the session", "error", err)
	}
}

// runLocked plans and runs, and plans again where another migrator has come in
// between: behind a pooler the lock is free from one migration to the next.
func runLocked(ctx context.Context, o Options, catalog *source.Catalog, db *postgres.DB, planner planner, t *runTotals) (Result, error) {
	for {
		result, err := runPlan(ctx, o, catalog, db, planner)
		if !errors.Is(err, postgres.ErrVersionChanged) {
			return result, err
		}
		t.add(err)
		o.Log.Info("another migrator has been at work meanwhile: planning anew")
		if err := db.ReacquireTxLock(ctx); err != nil {
			return Result{}, err
		}
	}
}

// runTotals holds what earlier plans of a run have done, where it took several.
type runTotals struct {
	began bool
	from  int
	done  []plan.Step
}

// add takes in a plan that did not come to its end. It says whether the plan came any progressed.
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

// result is the result of the last plan with that of the ones before.
func (t *runTotals) result(r Result) Result {
	if t.began {
		r.From, r.Applied, r.Steps = t.from, len(t.done)+r.Applied, append(plan.RunsOf(t.done), r.Steps...)
	}
	return r
}

// runError is the error that ended the last plan, with what the ones before have done.
func (t *runTotals) runError(err error) error {
	if len(t.done) == 0 {
		return err
	}
	var run *RunError
	if !errors.As(err, &run) {
		run = &RunError{Err: err, Plan: plan.Plan{To: t.done[len(t.done)-1].Target}}
		err = run
	}
	run.Plan.From, run.Plan.Steps, run.Applied = t.from, append(t.done, run.Plan.Steps...), len(t.done)
	return err
}
