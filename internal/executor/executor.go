package executor

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/batch"
	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/resume"
)

// A Locker protects the transactions of migrations; see lock.Locker.
type Locker interface {
	// Begin prepares the transaction of a migration and returns the SQL to send first.
	Begin(ctx context.Context, begin string, from history.State) (sql string, err error)
	// ReleaseForeignSQL returns the SQL that releases the advisory locks of the migration.
	ReleaseForeignSQL() string
}

// An Executor applies migrations in a session that holds the migration lock. It is not safe for
// concurrent use.
type Executor struct {
	session *postgres.Session
	store   *history.Store
	locker  Locker
	monitor *activity.Monitor
	losses  *dataloss.Counter
	sender  *batch.Sender
	resumer *resume.Resumer
	log     *slog.Logger

	// recordingStarted is set when the server has sent recordingNotice.
	recordingStarted atomic.Bool
	savedTxState     txState // of a transaction
}

// New returns an Executor for the store's session, whose lock the locker holds.
func New(store *history.Store, locker Locker) *Executor {
	session := store.Session()
	ex := &Executor{
		session: session, store: store, locker: locker, monitor: activity.NewMonitor(session),
		losses: dataloss.NewCounter(store), resumer: resume.NewResumer(store), log: session.Log,
	}
	ex.sender = batch.NewSender(session, ex.monitor, ex.losses)
	session.Opts.OnNotice = ex.onNotice
	return ex
}

// resetSQL returns the SQL that restores the state of the session before the migration. It must run
// in one transaction, or the migration lock would be released for a moment.
func (ex *Executor) resetSQL() string {
	return postgres.ResetSession + postgres.ReseedRandom + ex.session.RestoreRoleSQL() + ex.session.KeepaliveSQL() + ex.session.DeallocateSQL() + ex.locker.ReleaseForeignSQL()
}

// txState is the cached state of the database that a rollback must restore.
type txState struct{ versionTableExists, historyExists, plpgsql bool }

// recordingNotice is the message that the server sends after the statements and the deferred
// constraints of a migration, and before its version and history are written. The migration
// file causes the errors before it, and not those after it.
const recordingNotice = "shiplock records"

// onNotice handles the server's notices that the SQL of a migration sends: statement markers, and
// the start of the recording. It reports whether it was one of them.
func (ex *Executor) onNotice(n *pq.Error) bool {
	if n.Message == recordingNotice {
		ex.recordingStarted.Store(true)
		return true
	}
	return ex.sender.OnNotice(n)
}
