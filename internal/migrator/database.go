package migrator

import (
	"context"
	"time"

	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/schema"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// DatabaseOptions are the settings of a database.
type DatabaseOptions struct {
	postgres.Options
	Tables history.Options
	// LockWait is the maximum time to wait for another migrator; 0 means one attempt.
	LockWait time.Duration
}

// A database is an open session, and what the commands do in it.
type database struct {
	Session *postgres.Session
	Store   *history.Store
	Schema  *schema.Reader
	Losses  *dataloss.Counter
	Resumer *resume.Resumer
	Tools   *toolrun.Tools
	// locker is the migration lock; nil if the session does not hold it.
	locker   lock.Locker
	lockWait time.Duration
}

// openDatabase opens a session. Errors are those of history.Open.
func openDatabase(ctx context.Context, o DatabaseOptions) (*database, error) {
	store, err := history.Open(ctx, o.Options, o.Tables)
	if err != nil {
		return nil, err
	}
	return &database{
		Session: store.Session(), Store: store, Schema: schema.NewReader(store), Losses: dataloss.NewCounter(store),
		Resumer: resume.NewResumer(store), Tools: toolrun.New(store), lockWait: o.LockWait,
	}, nil
}

// lock takes the migration lock, or returns lock.ErrNotNeeded; see lock.Acquire.
func (db *database) lock(ctx context.Context, unneeded func(context.Context) (bool, error)) error {
	var err error
	db.locker, err = lock.Acquire(ctx, db.Store, lock.Options{Wait: db.lockWait, Unneeded: unneeded})
	if err != nil {
		db.locker = nil
	}
	return err
}

// sameTables returns the options for another session on the same tables.
func (db *database) sameTables(o DatabaseOptions) DatabaseOptions {
	o.Tables = db.Store.SameTables(o.Tables)
	return o
}
