package migrator

import (
	"context"
	"errors"

	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/diagnose"
	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/state"
)

// Up applies every migration above the database's version. If the database is newer than the files,
// Policy.OnNewer decides: DownNewer rolls back to the newest file.
//
// Once a migration has started, the error is a *RunError or a *DataLossError. Before, it is a
// *DataLossError or one of the packages that Up uses:
//   - source: *NameError, *UnreadableError, ErrNoMigrations, ErrNotDirectory
//   - script: *ScriptError
//   - postgres: *ConnectError, *LostError, *RoleError, *UnsupportedServerError
//   - history: *TableError, *RecordingError, ErrNoSchema
//   - lock: *LockedError, ErrStatementPooling
//   - state: *EmptyTableError
//   - planner: *Refusal
//   - resume: *UnknownOutcomeError, *ChangedError, *SessionStateError
//   - executor: *SessionRequiredError, *SeparateTransactionError
//   - the cause of the end of ctx
func Up(ctx context.Context, o Options) (Result, error) {
	return run(ctx, o, goal{plan: planner.ForUp, allFiles: true})
}

// Down rolls back every migration above version to; 0 rolls back all of them, unless there
// is a version 0. For migrations without a file, it runs the down SQL in the history table.
// Errors are those of Up.
func Down(ctx context.Context, o Options, to uint) (Result, error) {
	return run(ctx, o, goal{plan: downTo(to)})
}

// DownToFiles rolls back to the newest applied version that has a file. Errors are those of Up.
func DownToFiles(ctx context.Context, o Options) (Result, error) {
	return run(ctx, o, goal{plan: planner.ForDownToFiles})
}

// Run runs a plan. Errors are those of Up, and those of plan.
func Run(ctx context.Context, o Options, plan PlanFunc) (Result, error) {
	return run(ctx, o, goal{plan: plan})
}

// A runner runs plans on one session after the other.
type runner struct {
	Options
	goal  goal
	files *source.Catalog
	db    *database.Database
	done  runTotals
}

// run opens a session and runs a plan on it. If another server process took over in the
// meantime, it opens a new session and replans from the state of that server. A migration
// is retried only once: one that crashes its server would otherwise do so forever.
func run(ctx context.Context, o Options, g goal) (Result, error) {
	files, db, err := openSourceAndSession(ctx, o, g)
	if err != nil {
		return Result{}, err
	}
	r := &runner{Options: o, goal: g, files: files, db: db}
	for tries := 1; ; tries++ {
		result, err := r.runSession(ctx)
		if err == nil {
			return r.done.result(result), nil
		}
		if r.done.add(err) {
			tries = 1
		}
		if !IsConnectionLost(err) || ctx.Err() != nil || tries > 1 {
			return Result{}, r.done.runError(err)
		}
		if err := r.reconnect(ctx, err); err != nil {
			return Result{}, r.done.runError(err)
		}
	}
}

// runSession plans without the lock, takes the lock if there is something to do, and applies.
func (r *runner) runSession(ctx context.Context) (Result, error) {
	db := r.db
	defer db.Close(r.Log)
	if db.Session.Server.Standby {
		return Result{}, &postgres.ConnectError{Target: db.Session.Target(), Attempts: 1, Err: postgres.ErrStandby, Permanent: true}
	}
	// The first check takes no lock, so fifty pods that have nothing to do need not wait
	// for each other. It does not see what a running migrator has not committed.
	d, err := makePlan(ctx, r.Options, r.goal, r.files, db)
	if err == nil && len(d.plan.Steps)+len(d.imports) == 0 || err != nil && !mayBeTransient(err) {
		return resultOf(d.plan, 0), err
	}
	var version history.State
	err = db.Lock(ctx, func(ctx context.Context) (unneeded bool, err error) {
		unneeded, version, err = r.goal.isReached(ctx, r.files, db)
		return unneeded, err
	})
	if errors.Is(err, lock.ErrNotNeeded) {
		return resultOf(planner.Plan{From: version.Version, To: version.Version}, 0), nil
	}
	if err != nil {
		return Result{}, err
	}
	result, err := r.apply(ctx)
	for errors.Is(err, lock.ErrVersionChanged) { // behind a pooler the lock is free from one migration to the next
		r.done.add(err)
		r.Log.Info("schema version changed by another migrator; replanning")
		if err = db.Locker.Reacquire(ctx); err != nil {
			break
		}
		result, err = r.apply(ctx)
	}
	if ctx.Err() == nil {
		// The server would release it with the session, but later than the next attempt may start.
		if unlockErr := db.Locker.Unlock(ctx); unlockErr != nil && err == nil {
			err = unlockErr
		}
	}
	return result, err
}

// apply plans under the lock, runs the plan, and explains a failure.
func (r *runner) apply(ctx context.Context) (Result, error) {
	d, err := makePlan(ctx, r.Options, r.goal, r.files, r.db)
	if err != nil {
		return Result{}, err
	}
	p := d.plan
	own, err := checkDataLoss(ctx, r.Options, r.db, d)
	if err != nil {
		return Result{}, err
	}
	if err := r.recordImports(ctx, d); err != nil {
		return Result{}, err
	}
	// A lock of the session is kept. Behind a pooler, this commits the transaction that holds the
	// lock; the transaction of each migration takes the lock again, and compares the version.
	if err := r.db.Locker.Release(ctx); err != nil || len(p.Steps) == 0 {
		return resultOf(p, 0), err
	}
	migrations, err := r.load(d, own)
	if err != nil {
		return Result{}, err
	}
	restore := limitToOneCPU(r.DedicatedProcess)
	applied, executed, err := executor.New(r.db.Store, r.db.Locker).Run(ctx, migrations, r.TxMode == TxModeAll)
	restore()
	if err != nil {
		var fail *migrationerror.Error
		if errors.As(err, &fail) {
			diagnose.Explain(ctx, r.db.Store, fail, migrations[min(executed+1, len(migrations)):])
		}
		return Result{}, asDataLossError(p, &RunError{Plan: p, Applied: applied, RolledBack: executed - applied, Err: err})
	}
	if err := verifyVersion(ctx, r.db, p); err != nil {
		return Result{}, &RunError{Plan: p, Applied: len(p.Steps), Err: err}
	}
	return resultOf(p, len(p.Steps)), nil
}

// recordImports records the runs of another tool in the history table.
func (r *runner) recordImports(ctx context.Context, d decision) error {
	n := len(d.imports)
	if n == 0 {
		return nil
	}
	r.Log.Info("importing existing migration history", "migrations", n)
	if len(d.plan.Steps) == 0 && recordsDigest(r.Options, r.goal, r.files, d.plan) {
		d.imports[n-1].FilesDigest, _ = r.files.Digest() // an unreadable file does not prevent the import
	}
	return r.db.Store.Import(ctx, d.imports)
}

// load reads the migrations of a plan, and checks all of them before the first one runs. own are
// the objects that each step creates itself.
func (r *runner) load(d decision, own []lint.OwnObjects) ([]executor.Migration, error) {
	if versions := d.plan.WithoutDown(); versions != "" {
		r.Log.Warn("migrations without a down file cannot be rolled back", "versions", versions)
	}
	migrations, err := executor.Load(d.catalog, d.plan, d.statementsApplied)
	if err != nil {
		return nil, err
	}
	for i, m := range migrations {
		migrations[i].Guard = dataloss.Guard{Active: m.Entry.Direction == source.Down && !r.AllowDataLoss, Own: own[i]}
	}
	if files := d.catalog.Files(); recordsDigest(r.Options, r.goal, files, d.plan) {
		migrations[len(migrations)-1].FilesDigest = stableDigest(files)
	}
	if err := warnOfIncompatibleChanges(r.Options, d.plan, migrations); err != nil {
		return nil, err
	}
	return migrations, checkRequirements(r.db, migrations, r.TxMode == TxModeAll)
}

// reconnect opens another session after the connection was lost. It returns an error if the same
// server process answers: then only the connection was closed, possibly on purpose.
func (r *runner) reconnect(ctx context.Context, lost error) error {
	options := r.db.SameTables(r.Postgres) // resume in the schema where the run started
	options.DSN = options.DSN.Primary()    // waits for a standby to be promoted
	next, err := database.Open(ctx, options)
	if err != nil {
		setReason(lost, migrationerror.Reason{Cause: migrationerror.DatabaseUnreachable, ReconnectErr: err})
		return errors.Join(lost, err)
	}
	if next.Session.Server.Started == r.db.Session.Server.Started {
		next.Close(r.Log)
		if end := endedBy(lost); end == "" {
			setReason(lost, migrationerror.Reason{Cause: migrationerror.SessionEnded})
		} else if end == pqerror.AdminShutdown {
			setReason(lost, migrationerror.Reason{Cause: migrationerror.SessionTerminated})
		}
		return lost
	}
	r.Log.Warn("connection lost; server restarted or failed over; replanning", "error", lost)
	r.db = next
	return nil
}

// endedBy returns the SQLSTATE with which the server ended the session, or "" if it sent none.
func endedBy(err error) pqerror.Code {
	var lost *postgres.LostError
	if errors.As(err, &lost) && lost.Server != nil {
		return lost.Server.Code
	}
	return ""
}

// setReason sets the cause of a *migrationerror.Error whose session was lost, which no query could
// look up.
func setReason(err error, r migrationerror.Reason) {
	var fail *migrationerror.Error
	if errors.As(err, &fail) {
		fail.Reason = r
	}
}

// openSourceAndSession reads the files while it connects, because both mostly wait for
// I/O. If both fail, it returns the error of the files.
func openSourceAndSession(ctx context.Context, o Options, g goal) (*source.Catalog, *database.Database, error) {
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
		if g.allFiles {
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

// IsRefused reports whether planning refused to run. A retry does not help, unless another migrator
// runs.
func IsRefused(err error) bool {
	var planning *planner.Refusal
	var empty *state.EmptyTableError
	return errors.As(err, &planning) || errors.As(err, &empty)
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
