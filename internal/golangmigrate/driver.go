package golangmigrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/golang-migrate/migrate/v4/database"

	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/script"
)

var _ database.Driver = (*Driver)(nil)

// A Driver is a session as golang-migrate's database driver. migrate.Migrate calls
// SetVersion(v, dirty), Run(body), SetVersion(v, clean) and expects three commits; the Driver
// combines them into one transaction, or marks the version dirty if a migration cannot run in one.
// A Driver is used for one run.
type Driver struct {
	db    *Driver
	ctx   context.Context // migrate.Migrate passes none
	steps []lint.Step
	state history.State
	// pending is the version after the current migration, between the first and the last
	// SetVersion.
	pending    *history.State
	scriptRan  bool
	started    time.Time
	completed  int
	locked     bool
	stateKnown bool // state is that of the version table

	planned    int // number of steps at the beginning
	singleTx   bool
	firstState *history.State // the version before the steps that are one transaction
}

// Driver returns a driver for migrate.Migrate that accepts these steps, in this order, and no
// others. Without steps it accepts any. If singleTx is set, the steps are one transaction, which
// ends with the last step.
func (db *Driver) Driver(ctx context.Context, steps []lint.Step, singleTx bool) *Driver {
	d := &Driver{db: db, ctx: ctx, steps: steps, planned: len(steps), singleTx: singleTx && len(steps) > 1}
	if len(steps) > 0 {
		// The version is not read again: behind a pooler, another migrator may have run since,
		// and each transaction checks that the version is still the planned one.
		d.state, d.stateKnown = history.State{Version: steps[0].From}, true
	}
	return d
}

// Open is part of database.Driver and returns an error: a Driver is created from a session.
func (*Driver) Open(string) (database.Driver, error) {
	return nil, errors.New("shiplock's driver is created from a session, not from a URL")
}

// AppliedCount returns the number of applied migrations.
func (d *Driver) AppliedCount() int {
	if d.singleTx && len(d.steps) > 0 {
		return 0
	}
	return d.completed
}

// Close ends the session.
func (d *Driver) Close() error { return d.db.ex.session.Close() }

// Lock takes the session's lock; see DB.Lock. If the Driver holds it already, Lock returns
// database.ErrLocked, as golang-migrate requires.
func (d *Driver) Lock() error {
	if d.locked {
		return database.ErrLocked
	}
	err := d.db.ex.lock.Lock(d.ctx)
	d.locked = err == nil
	return err
}

// Unlock releases the lock. A canceled run has ended its session, and so released the lock.
func (d *Driver) Unlock() error {
	if !d.locked {
		return database.ErrNotLocked
	}
	d.locked = false
	d.stateKnown = d.stateKnown && d.db.ex.lock.LockDepth > 1 // the caller still holds it
	if d.ctx.Err() != nil {
		d.db.ex.lock.LockDepth = 0
		return nil
	}
	return d.db.ex.lock.Unlock(d.ctx)
}

// Version reads the version table. Between the two calls of SetVersion it returns the announced
// version, as if it had been written.
func (d *Driver) Version() (version int, dirty bool, err error) {
	if d.pending != nil {
		return d.pending.Version, true, nil
	}
	if d.stateKnown {
		return d.state.Version, d.state.Dirty, nil
	}
	d.state, err = d.db.ex.store.State(d.ctx)
	d.stateKnown = err == nil && d.locked
	return d.state.Version, d.state.Dirty, err
}

// SetVersion with dirty set announces a migration and writes nothing; otherwise it writes the
// version, unless Run has written it.
func (d *Driver) SetVersion(version int, dirty bool) error {
	to := history.State{Version: version}
	done := !dirty && d.scriptRan && d.pending != nil && *d.pending == to // committed, even if the run was canceled since
	if d.ctx.Err() != nil && !done {
		return context.Cause(d.ctx)
	}
	if dirty {
		d.pending, d.scriptRan, d.started = &to, false, time.Now()
		return d.checkPlan(version)
	}
	d.pending = nil
	if !done {
		if err := d.db.ex.session.Exec(d.ctx, d.db.ex.store.WriteVersionSQL(to)); err != nil {
			return err
		}
		d.db.ex.store.VersionTableExists = true
	}
	d.state = to
	d.completed++
	d.logResult()
	return nil
}

// checkPlan compares the migration that migrate.Migrate starts with the plan, and logs it.
func (d *Driver) checkPlan(version int) error {
	if d.steps == nil {
		return nil
	}
	if len(d.steps) == 0 || d.steps[0].Target != version {
		return fmt.Errorf("internal error: golang-migrate requested version %d, which is not in the plan %+v", version, d.steps)
	}
	step := d.steps[0]
	d.db.log.Info("migration started", "version", step.Version, "direction", step.Direction, "file", step.File)
	return nil
}

// logResult logs the end of a migration.
func (d *Driver) logResult() {
	if len(d.steps) == 0 {
		return
	}
	step, message := d.steps[0], "migration completed"
	d.steps = d.steps[1:]
	if d.singleTx && len(d.steps) > 0 {
		message = "migration executed, not committed yet"
	}
	d.db.log.Info(message, "version", step.Version, "direction", step.Direction, "file", step.File,
		"duration", time.Since(d.started).Round(time.Millisecond))
}

// Run applies a migration. Errors are *MigrationError or *ScriptError.
func (d *Driver) Run(body io.Reader) error {
	step := lint.Step{}
	if len(d.steps) > 0 {
		step = d.steps[0]
	}
	script, err := script.Load(step.File, body, step.Open)
	if c, ok := body.(io.Closer); ok {
		err = errors.Join(err, c.Close()) // golang-migrate's pipe, which may have unread data
	}
	if err == nil && step.Resume && step.StatementsApplied > 0 {
		err = script.LoadStatements()
	}
	if err != nil {
		return err
	}
	d.db.ex.losses.Guard = dataloss.LossGuard{Active: step.GuardDataLoss, Own: step.Own}
	to := d.state
	if d.pending != nil {
		to = *d.pending
	}
	m := executor.Migration{Script: script, From: d.state, To: to, Resume: step.Resume, Number: d.planned - len(d.steps) + 1, Of: d.planned, Run: history.Entry{
		Version: int(step.Version), Name: step.Name, Direction: step.Direction, Checksum: step.Checksum, StatementsApplied: step.StatementsApplied,
	}}
	if step.Direction == "up" { // of the SQL that runs: the file may have changed since the plan
		m.Run.Checksum, m.Run.Stored = script.Sum, step.Stored
		m.Run.Stored.MinCompatibleVersion, m.Run.Stored.Irreversible = script.Directives.MinCompatibleVersion, script.Directives.Irreversible
	}
	if m.Run.UpSQL, m.Run.DownSQL = script.StoredSQL(), step.ReverseSQL; step.Direction == "down" {
		m.Run.UpSQL, m.Run.DownSQL = step.ReverseSQL, script.StoredSQL()
	}
	if step.FilesDigest != nil {
		m.Run.FilesDigest = step.FilesDigest()
	}
	before := d.state
	if d.singleTx {
		m.ContinuesTx, m.LeavesTxOpen = d.firstState != nil, len(d.steps) > 1
		if d.firstState == nil {
			d.firstState = &before
		}
		before = *d.firstState
	}
	if fail := d.db.ex.Apply(d.ctx, m); fail != nil {
		if !lock.MigrationStarted(fail.Err) {
			d.pending, d.stateKnown = nil, false
			return fail.Err
		}
		fail.Version, fail.Before, fail.VersionTable = to.Version, before.Version, d.db.ex.store.Table.Name
		d.pending, d.stateKnown = nil, false
		fail.FindPosition()
		fail.File = step.File
		fail.DataLoss = executor.DataLossFrom(fail)
		if fail.RecordingFailed = fail.RecordingFailed && fail.DataLoss == nil; fail.RecordingFailed {
			fail.Reason = d.db.diagnoser.RecordingReason(fail.Err)
		} else {
			d.db.diagnoser.Diagnose(d.ctx, m, d.steps[min(1, len(d.steps)):], fail)
			fail.OwnTable = d.db.diagnoser.ReachedOwnTable(fail)
		}
		return m.SetFile(fail)
	}
	d.scriptRan = true
	return nil
}

// Drop is part of database.Driver: it drops every table of the version table's schema. No command
// uses it.
func (d *Driver) Drop() error {
	rows, err := d.db.ex.session.Query(d.ctx, `SELECT c.oid::regclass::text FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')`, d.db.ex.store.Table.Schema)
	if err != nil {
		return d.db.ex.session.ClassifyError(d.ctx, err)
	}
	var drop string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return errors.Join(err, rows.Close())
		}
		drop += "DROP TABLE IF EXISTS " + table + " CASCADE;\n"
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || drop == "" {
		return err
	}
	d.db.ex.store.VersionTableExists = false
	return d.db.ex.session.Exec(d.ctx, drop)
}
