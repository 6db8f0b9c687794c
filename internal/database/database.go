// Package database opens a session with everything that the commands do in it: a [Database] has the
// session, the history store, the migration lock, and the readers of schema, data, and interrupted
// migrations. Packages migrator and exectool open databases with [Open] and [OpenPrimary].
package database

import (
	"context"
	"log/slog"
	"time"

	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/schema"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// Options are the settings of a database.
type Options struct {
	postgres.Options
	Tables history.Options
	// LockWait is the maximum time to wait for another migrator; 0 means one attempt.
	LockWait time.Duration
}

// A Database is an open session, and what the commands do in it.
type Database struct {
	Session *postgres.Session
	Store   *history.Store
	Schema  *schema.Reader
	Losses  *dataloss.Counter
	Resumer *resume.Resumer
	Tools   *toolrun.Tools
	// Locker is the migration lock; nil if the session does not hold it.
	Locker   lock.Locker
	lockWait time.Duration
}

// Open opens a session. Errors are those of history.Open.
func Open(ctx context.Context, o Options) (*Database, error) {
	store, err := history.Open(ctx, o.Options, o.Tables)
	if err != nil {
		return nil, err
	}
	return &Database{
		Session: store.Session(), Store: store, Schema: schema.NewReader(store), Losses: dataloss.NewCounter(store),
		Resumer: resume.NewResumer(store), Tools: toolrun.New(store), lockWait: o.LockWait,
	}, nil
}

// Lock takes the migration lock, or returns lock.ErrNotNeeded; see lock.Acquire.
func (db *Database) Lock(ctx context.Context, unneeded func(context.Context) (bool, error)) error {
	var err error
	db.Locker, err = lock.Acquire(ctx, db.Store, lock.Options{Wait: db.lockWait, Unneeded: unneeded})
	return err
}

// SameTables returns the options for another session on the same tables.
func (db *Database) SameTables(o Options) Options {
	o.Tables = db.Store.SameTables(o.Tables)
	return o
}

// OpenPrimary opens a session. If several hosts are given, it connects to the primary.
func OpenPrimary(ctx context.Context, o Options) (*Database, error) {
	if o.DSN.HasMultipleHosts() {
		o.DSN = o.DSN.Primary()
	}
	return Open(ctx, o)
}

// Close closes the session.
func (db *Database) Close(log *slog.Logger) {
	if err := db.Session.Close(); err != nil {
		log.Debug("could not close the session", "error", err)
	}
}
