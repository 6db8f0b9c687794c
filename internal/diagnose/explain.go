package diagnose

import (
	"context"
	"time"

	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/postgres"
)

// Explain adds to a failed migration why it failed, as far as the database and the files show it.
// following are the migrations that were to run after it.
func Explain(ctx context.Context, store *history.Store, fail *migrationerror.Error, following []executor.Migration) {
	fail.DataLoss = migrationerror.DataLossFrom(fail)
	if fail.RecordingFailed = fail.RecordingFailed && fail.DataLoss == nil; fail.RecordingFailed {
		fail.Reason = recordingReason(store, fail.Err)
		return
	}
	diagnose(ctx, store, following, fail)
	fail.OwnTable = reachedOwnTable(store, fail)
}

// diagnose looks up the cause of a failure and leaves out what it cannot determine. It does nothing
// if the run was canceled or the session is lost.
func diagnose(ctx context.Context, store *history.Store, following []executor.Migration, fail *migrationerror.Error) {
	server, session := fail.Server(), store.Session()
	if server == nil || server.Fatal() || ctx.Err() != nil || fail.Outcome == migrationerror.Unknown {
		return
	}
	look := map[pqerror.Code]func(*diagnosis) migrationerror.Reason{
		pqerror.UniqueViolation:        (*diagnosis).constraintReason,
		pqerror.NotNullViolation:       (*diagnosis).constraintReason,
		pqerror.CheckViolation:         (*diagnosis).constraintReason,
		pqerror.ForeignKeyViolation:    (*diagnosis).constraintReason,
		pqerror.InsufficientPrivilege:  (*diagnosis).privilegesReason,
		pqerror.UndefinedTable:         (*diagnosis).missingRelation,
		pqerror.DuplicateTable:         (*diagnosis).existingObject,
		pqerror.DuplicateColumn:        (*diagnosis).existingObject,
		pqerror.DuplicateObject:        (*diagnosis).existingObject,
		pqerror.TRDeadlockDetected:     (*diagnosis).deadlock,
		pqerror.ReadOnlySQLTransaction: (*diagnosis).limitSource,
		pqerror.QueryCanceled:          (*diagnosis).limitSource,
	}[server.Code]
	if look == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, diagnosisTimeout+diagnosisQueryTimeout)
	defer cancel()
	d := &diagnosis{session: session, store: store, ctx: ctx, following: following, fail: fail, deadline: time.Now().Add(diagnosisTimeout)}
	if err := session.Exec(ctx, postgres.InlineParams("BEGIN READ ONLY; SET LOCAL statement_timeout = $1; SET LOCAL lock_timeout = 200; ", int(diagnosisQueryTimeout.Milliseconds()))+session.LocalRoleSQL()); err != nil {
		session.Log.Debug("diagnosis skipped", "error", err)
		return
	}
	fail.Reason = look(d)
	if d.err != nil {
		session.Log.Debug("diagnosis incomplete", "error", d.err)
	}
	if err := session.Rollback(ctx, ""); err != nil {
		session.Log.Debug("could not roll back the diagnosis transaction", "error", err)
	}
}
