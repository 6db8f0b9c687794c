package golangmigrate

import (
	"context"
	"errors"
	"io"

	"github.com/golang-migrate/migrate/v4/database"

	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/script"
)

var _ database.Driver = (*Driver)(nil)

// A Driver is a session as golang-migrate's database driver. migrate.Migrate calls
// SetVersion(v, dirty), Run(body), SetVersion(v, clean) and expects three commits; the Driver
// combines them into one transaction, or marks the version dirty if a migration cannot run in one.
type Driver struct {
	ctx    context.Context // migrate.Migrate passes none
	store  *history.Store
	locker lock.Locker // nil if the driver does not hold the lock
	// pending is the version after the current migration, between the first and the last
	// SetVersion. scriptRan is set if Run has written it.
	pending   *history.State
	scriptRan bool
}

// NewDriver returns a driver for migrate.Migrate. ctx applies to all of its methods.
func NewDriver(ctx context.Context, store *history.Store) *Driver {
	return &Driver{ctx: ctx, store: store}
}

// Open is part of database.Driver and returns an error: a Driver is created from a session.
func (*Driver) Open(string) (database.Driver, error) {
	return nil, errors.New("shiplock's driver is created from a session, not from a URL")
}

// Close ends the session.
func (d *Driver) Close() error { return d.store.Close() }

// Lock takes the migration lock. If the Driver holds it already, Lock returns database.ErrLocked, as
// golang-migrate requires.
func (d *Driver) Lock() error {
	if d.locker != nil {
		return database.ErrLocked
	}
	var err error
	d.locker, err = lock.Acquire(d.ctx, d.store, lock.Options{})
	return err
}

// Unlock releases the lock. A canceled run has ended its session, and so released the lock.
func (d *Driver) Unlock() error {
	if d.locker == nil {
		return database.ErrNotLocked
	}
	locker := d.locker
	d.locker = nil
	if d.ctx.Err() != nil {
		return nil
	}
	return locker.Unlock(d.ctx)
}

// Version reads the version table. Between the two calls of SetVersion it returns the announced
// version, as if it had been written.
func (d *Driver) Version() (version int, dirty bool, err error) {
	if d.pending != nil {
		return d.pending.Version, true, nil
	}
	st, err := d.store.State(d.ctx)
	return st.Version, st.Dirty, err
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
		d.pending, d.scriptRan = &to, false
		return nil
	}
	d.pending = nil
	if done {
		return nil
	}
	if err := d.store.Session().Exec(d.ctx, d.store.WriteVersionSQL(to)); err != nil {
		return err
	}
	d.store.VersionTableExists = true
	return nil
}

// Run applies a migration in a transaction with the announced version. Errors are
// *migrationerror.Error and *script.ScriptError.
func (d *Driver) Run(body io.Reader) (err error) {
	if d.ctx.Err() != nil { // a query would be canceled, and its connection may be lost
		return context.Cause(d.ctx)
	}
	if d.locker == nil {
		if err := d.Lock(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.Unlock()) }()
	}
	text, err := io.ReadAll(body)
	if c, ok := body.(io.Closer); ok {
		err = errors.Join(err, c.Close()) // golang-migrate's pipe, which may have unread data
	}
	if err != nil {
		return err
	}
	s, err := script.ParseScript(text)
	if err != nil {
		return err
	}
	from, err := d.store.State(d.ctx)
	if err != nil {
		return err
	}
	to := from
	if d.pending != nil {
		to = *d.pending
	}
	entry := history.Entry{Version: to.Version, Direction: "up"}
	if to.Version < from.Version {
		entry.Version, entry.Direction = from.Version, "down"
	}
	if fail := executor.New(d.store, d.locker).Apply(d.ctx, executor.Migration{Script: s, From: from, To: to, Entry: entry}); fail != nil {
		d.pending = nil
		return fail
	}
	d.scriptRan = true
	return nil
}

// Drop drops every table of the version table's schema.
func (d *Driver) Drop() error {
	session := d.store.Session()
	rows, err := session.Query(d.ctx, `SELECT c.oid::regclass::text FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')`, d.store.Table.Schema)
	if err != nil {
		return session.ClassifyError(d.ctx, err)
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
	d.store.VersionTableExists = false
	return session.Exec(d.ctx, drop)
}
