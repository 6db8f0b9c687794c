package executor

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/activity"
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
	resumer *resume.Resumer
	log     *slog.Logger

	// marker is the number of the running statement, as the server reports it.
	marker atomic.Int64
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

// markerPrefix precedes the number of a statement in the notices by which the server reports its
// progress.
const markerPrefix = "shiplock statement "

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
	var i int64
	if rest, ok := strings.CutPrefix(n.Message, markerPrefix); ok {
		if _, err := fmt.Sscan(rest, &i); err == nil {
			ex.marker.Store(i)
			ex.monitor.Position.Advance(int(i))
			return true
		}
	}
	return false
}
