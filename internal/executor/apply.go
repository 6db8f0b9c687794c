package executor

import (
	"context"
	"time"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/resume"
)

// Apply runs one migration and records its outcome in the history table.
func (ex *Executor) Apply(ctx context.Context, m Migration) *migrationerror.Error {
	m.Entry.Started, m.Entry.StatementsTotal, m.Entry.Transactional = time.Now(), m.Script.Count(), m.Script.Transactional
	ex.omitSQLWithPassword(&m)
	ex.omitUnencodableSQL(ctx, &m)
	ex.monitor.Position.StartMigration(m.Script, m.number, m.of)
	defer ex.monitor.StartWatcher(ctx)()
	together := m.continuesTx || m.leavesTxOpen
	if ctx.Err() != nil && !together && !m.Resume {
		return migrationerror.Wrap(m.Script, context.Cause(ctx)) // a fast server would finish before it receives the cancel request
	}
	if !together && m.Resume && m.Entry.StatementsApplied == 0 && m.Script.Transactional {
		if err := ex.restartMigration(ctx, m); err != nil {
			fail := migrationerror.Wrap(m.Script, err)
			fail.Outcome = migrationerror.PartiallyApplied
			return fail
		}
		m.Resume = false
	}
	if !together && (!m.Script.Transactional || m.Resume) {
		return ex.runBlocks(ctx, m)
	}
	var fail *migrationerror.Error
	if together {
		fail = ex.runTransaction(ctx, m) // the transaction of all migrations is retried, see Run
	} else {
		fail = ex.retryTransaction(ctx, m)
		if fail != nil && fail.RecordingFailed && ex.store.RepairSequence(ctx, fail.Err) {
			fail = ex.retryTransaction(ctx, m)
		}
	}
	if fail != nil && fail.Outcome == migrationerror.RolledBack && len(m.Script.Statements) == 1 && !together && !ex.session.Shared && requiresNoTransaction(fail.Err) {
		// CALL and DO with a COMMIT, and REINDEX and CLUSTER of a partitioned table, cannot be
		// recognized by their SQL. As the only statement of a file, they can run without a
		// transaction.
		ex.log.Info("statement cannot run in a transaction; running it without one", "reason", fail.Server().Message)
		m.Entry.Transactional = false
		return ex.runBlocks(ctx, m)
	}
	if fail != nil && fail.Outcome == migrationerror.RolledBack && lock.MigrationStarted(fail.Err) && ex.store.HistoryExists { // if the first migration fails, nothing is created
		fail.FindPosition()
		m.Entry.Outcome, m.Entry.Error = history.Failed, m.setFile(fail).Error()
		ex.recordBestEffort(ctx, ex.store.InsertSQL(m.Entry))
	}
	return fail
}

// restartMigration resets the dirty flag of a migration of which no statement was applied and whose
// file can now run in one transaction.
func (ex *Executor) restartMigration(ctx context.Context, m Migration) error {
	row, err := ex.store.ReadInterruptedRow(ctx, m.Entry)
	if err == nil {
		err = ex.resumer.DropEarlierLeftovers(ctx, resume.StoredLookup(row), m.Script, 0)
	}
	if err == nil {
		set := "run_outcome = " + postgres.LiteralOrNull(history.Failed)
		set += ", leftover = NULL"
		err = ex.session.Exec(ctx, ex.store.WriteVersionSQL(m.From)+ex.store.UpdateSQL(m.Entry.Version, set))
	}
	return err
}
