// Package engine holds one use case a verb, over config, source, plan and
// postgres. It alone drives migrate.Migrate.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"syscall"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

// Options are what every use case needs.
type Options struct {
	Postgres postgres.Options
	Source   string // the folder with the migrations
	Stray    source.Stray
	OnNewer  plan.OnNewer
	Log      *slog.Logger
}

// Result is what a run has done.
type Result struct {
	From, To int // versions, plan.NoVersion for none
	Applied  int // number of migrations run
	Newer    bool
}

// RunError is a run that began and did not reach its end.
type RunError struct {
	Plan    plan.Plan
	Applied int // migrations of the plan that are in effect
	Err     error
}

func (e *RunError) Error() string { return e.Err.Error() }
func (e *RunError) Unwrap() error { return e.Err }

// At is the version that the last completed migration of the run has led to.
func (e *RunError) At() int {
	if e.Applied == 0 {
		return e.Plan.From
	}
	return e.Plan.Steps[e.Applied-1].Target
}

// IncompleteError says that a run ended without an error, and yet the database is
// not where the plan ends.
type IncompleteError struct {
	Want, Got int
	Dirty     bool
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("the run ended at version %d (dirty: %t) and not at %d; somebody else changed the version table", e.Got, e.Dirty, e.Want)
}

// TimeoutError is the cause of a context that ran out of time.
type TimeoutError struct{ Limit time.Duration }

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("out of time: --timeout %s is over", e.Limit)
}

// SignalError is the cause of a context that was ended by a signal.
type SignalError struct{ Signal os.Signal }

func (e *SignalError) Error() string {
	if n, ok := e.Signal.(syscall.Signal); ok {
		if name, ok := map[syscall.Signal]string{syscall.SIGTERM: "SIGTERM", syscall.SIGINT: "SIGINT"}[n]; ok {
			return "stopped by " + name
		}
	}
	return "stopped by signal: " + e.Signal.String()
}

// Up applies every migration above the database's version. Errors are those of
// the rooms below: *source.NameError, source.ErrNoMigrations, *plan.Refusal,
// *postgres.ConnectError, *postgres.LockedError, or a *RunError.
func Up(ctx context.Context, o Options) (Result, error) {
	return run(ctx, o, plan.ForUp)
}

// Down undoes every migration above version to; 0 undoes all of them, unless
// there is a version 0.
func Down(ctx context.Context, o Options, to uint) (Result, error) {
	return run(ctx, o, func(c *source.Catalog, st plan.State, p plan.Policy) (plan.Plan, error) {
		target := int(to)
		if _, exists := c.Find(0); to == 0 && !exists {
			target = plan.NoVersion
		}
		return plan.ForDown(c, st, target, p)
	})
}

func open(o Options) (*source.Catalog, error) {
	c, err := source.Open(o.Source, o.Stray)
	if err == nil && len(c.Ignored()) > 0 {
		o.Log.Warn("files whose names are no migration's were ignored", "files", c.Ignored())
	}
	return c, err
}

type planner func(*source.Catalog, plan.State, plan.Policy) (plan.Plan, error)

func run(ctx context.Context, o Options, planner planner) (Result, error) {
	catalog, err := open(o)
	if err != nil {
		return Result{}, err
	}
	db, err := postgres.Open(ctx, o.Postgres)
	if err != nil {
		return Result{}, err
	}
	var result Result
	if db.Server.Standby {
		err = &postgres.ConnectError{Target: db.Target(), Attempts: 1, Err: postgres.ErrStandby, Permanent: true}
	} else {
		result, err = runOn(ctx, o, catalog, db, planner)
	}
	if closeErr := db.Close(); closeErr != nil && err == nil {
		o.Log.Debug("closing the session", "error", closeErr)
	}
	return result, err
}

func runOn(ctx context.Context, o Options, catalog *source.Catalog, db *postgres.DB, planner planner) (Result, error) {
	policy := plan.Policy{OnNewer: o.OnNewer, Table: db.Table()}
	decide := func() (plan.Plan, error) {
		st, err := db.State(ctx)
		if err != nil {
			return plan.Plan{}, err
		}
		return planner(catalog, plan.State(st), policy)
	}
	// A first look without the lock: the fifty pods that find nothing to do need
	// not wait for each other. What a migrator at work has not committed is not seen.
	p, err := decide()
	if err != nil || len(p.Steps) == 0 {
		return done(p, 0), err
	}
	if err := db.Lock(ctx); err != nil {
		return Result{}, err
	}
	if p, err = decide(); err != nil || len(p.Steps) == 0 {
		return done(p, 0), errors.Join(err, db.Unlock(ctx))
	}
	if err := drive(ctx, catalog, db, p); err != nil {
		if ctx.Err() == nil {
			// The lock would go with the session, but a moment later: the next try may be that fast.
			if unlockErr := db.Unlock(ctx); unlockErr != nil {
				o.Log.Debug("releasing the lock", "error", unlockErr)
			}
		}
		return Result{}, err
	}
	if err := readBack(ctx, db, p); err != nil {
		return Result{}, &RunError{Plan: p, Applied: len(p.Steps), Err: err}
	}
	return done(p, len(p.Steps)), db.Unlock(ctx)
}

func done(p plan.Plan, applied int) Result {
	return Result{From: p.From, To: p.To, Applied: applied, Newer: p.Newer}
}

// drive lets golang-migrate's state machine walk the plan through our two drivers.
func drive(ctx context.Context, catalog *source.Catalog, db *postgres.DB, p plan.Plan) error {
	steps := make([]postgres.Step, len(p.Steps))
	for i, s := range p.Steps {
		steps[i] = postgres.Step{File: s.File(), Direction: string(s.Direction), Version: s.Migration.Version, Target: s.Target}
	}
	driver := db.Driver(ctx, steps)
	m, err := migrate.NewWithInstance("shiplock", catalog.Driver(), "postgres", driver)
	if err != nil {
		return fmt.Errorf("golang-migrate: %w", err)
	}
	m.LockTimeout = math.MaxInt64 // the driver's own limit is the one that counts
	switch {
	case p.To == plan.NoVersion:
		err = m.Down()
	default:
		err = m.Migrate(uint(p.To))
	}
	if err != nil {
		return &RunError{Plan: p, Applied: driver.Done(), Err: err}
	}
	return nil
}

// readBack compares what the database says now with where the plan ends.
func readBack(ctx context.Context, db *postgres.DB, p plan.Plan) error {
	st, err := db.State(ctx)
	if err != nil {
		return err
	}
	if want := (postgres.State{Version: p.To}); st != want {
		return &IncompleteError{Want: p.To, Got: st.Version, Dirty: st.Dirty}
	}
	return nil
}

// The two spellings of "no version" must agree.
var _ = [1]struct{}{}[plan.NoVersion-database.NilVersion]
