package executor

import (
	"context"
	"errors"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
)

// recordingMarkerSQL returns the SQL that sends recordingNotice.
func (ex *Executor) recordingMarkerSQL() string {
	if !ex.session.Server.Plpgsql {
		return ""
	}
	return "DO $shiplock$BEGIN RAISE INFO '" + recordingNotice + "'; END$shiplock$;\n"
}

// isRecordingError reports whether an error at the end of a migration comes from the version
// or history table. A serialization failure, which the commit detects, does not.
func (ex *Executor) isRecordingError(err error) bool {
	var server *pq.Error
	if !errors.As(err, &server) || server.Code.Class() == pqerror.ClassTransactionRollback {
		return false
	}
	if !ex.session.Server.Plpgsql {
		return server.Schema == ex.store.Table.Schema && (server.Table == ex.store.Table.Name || server.Table == ex.store.Table.Name+history.Suffix)
	}
	return ex.recordingStarted.Load()
}

// recordTimeout limits writing the history row of a migration that was stopped by a signal or
// timeout. It is longer than CleanupTimeout, because a drained node is often busy, and well below
// the 30 s that Kubernetes gives a pod to terminate.
const recordTimeout = 8 * time.Second

// recordBestEffort writes to the history table outside the migration's transaction. It opens a
// second session if necessary; a failure is not an error.
func (ex *Executor) recordBestEffort(ctx context.Context, sql string) {
	ex.session.ProbeEncoding(ctx, ex.session.TxOpen, sql)
	sql = ex.session.ReplaceUnencodable(sql)
	err := ex.session.Exec(ctx, sql)
	if err != nil {
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer cancel()
		err = ex.session.WithSecondSession(short, func(second *postgres.Session) error { return second.Exec(short, sql) })
	}
	if err != nil {
		ex.log.Debug("could not write the history row", "error", err)
	}
}
