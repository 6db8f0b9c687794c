package executor

import (
	"context"
	"errors"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/script"
)

// batchSavepoint is the savepoint before a batch whose statements the server does not report.
const batchSavepoint = "shiplock_portion"

// findLockTimeout is the lock timeout in milliseconds when a batch is run again to find the
// statement that failed on a lock timeout.
const findLockTimeout = "100"

// sendBatch sends a batch between head and tail.
//
// In a batch of a large file, the server does not report each statement, because ten thousand
// notices would take longer than the statements. If such a batch fails, it is rolled back to a
// savepoint and run again with notices.
func (ex *Executor) sendBatch(ctx context.Context, head string, p script.Batch, tail string) *migrationerror.Error {
	ex.startBatch(p)
	if p.CopyRows != nil {
		if head != "" {
			if err := ex.session.Exec(ctx, head); err != nil {
				return migrationerror.Wrap(p.Script, err)
			}
		}
		return ex.copyIn(ctx, p)
	}
	if head == "" {
		head = p.Script.TitleComment()
	}
	if p.Script.Unannounced {
		head += "SAVEPOINT " + batchSavepoint + ";\n"
		tail = "\n;RELEASE SAVEPOINT " + batchSavepoint
	}
	text := ex.compose(p.Script, head, p.First, p.Last, p.From, p.To)
	err := ex.session.Exec(ctx, text.sql+tail)
	if err == nil {
		ex.session.Server.Plpgsql = ex.session.Server.Plpgsql && !p.MayDropPlpgsql()
		ex.monitor.Position.SetSent(p.End)
		return nil
	}
	fail := migrationerror.Wrap(p.Script, err)
	fail.Offset = text.fileOffset(migrationerror.ServerOffset(err, text.sql))
	fail.FailedIndex = ex.failedStatement(p.Script, fail.Offset)
	if fail.RecordingFailed = tail != "" && isStatementCountError(err, text.sql); fail.RecordingFailed {
		fail.Offset = -1
	}
	if p.Script.Unannounced && fail.Offset < 0 && p.Last-p.First > 1 {
		fail.FailedIndex = ex.findFailed(ctx, p, err)
	}
	return fail
}

// startBatch records that a batch is being sent.
func (ex *Executor) startBatch(p script.Batch) {
	ex.marker.Store(int64(p.First))
	first := p.First
	if !ex.session.Server.Plpgsql && p.Last-p.First > 1 {
		first = -1 // the server cannot report the statement
	}
	ex.monitor.Position.StartStatement(p.Script, first)
}

// findFailed runs a failed batch again, in the same transaction, to determine which statement
// failed. It returns -1 if that is not possible.
func (ex *Executor) findFailed(ctx context.Context, p script.Batch, failed error) int {
	var server *pq.Error
	if ctx.Err() != nil || !ex.session.Server.Plpgsql || !errors.As(failed, &server) || server.Fatal() || server.Code == pqerror.QueryCanceled {
		return -1
	}
	back := "ROLLBACK TO SAVEPOINT " + batchSavepoint + ";\n"
	if server.Code == pqerror.LockNotAvailable {
		back += "SET LOCAL lock_timeout = " + findLockTimeout + ";\n"
	}
	announced := *p.Script
	announced.Unannounced = false
	ex.startBatch(p)
	err := ex.session.Exec(ctx, ex.compose(&announced, back, p.First, p.Last, p.From, p.To).sql)
	if pq.As(err, server.Code) == nil {
		return -1
	}
	return int(ex.marker.Load())
}

// failedStatement returns the statement that failed: the one at the position in the error, or the
// last one whose start the server reported.
func (ex *Executor) failedStatement(s *script.Script, offset int) int {
	if offset >= 0 {
		for i := len(s.Statements) - 1; i >= 0; i-- {
			if s.Statements[i].Offset <= offset {
				return i
			}
		}
	}
	if len(s.Statements) == 1 {
		return 0
	}
	if len(s.Statements) == 0 || !ex.session.Server.Plpgsql {
		return -1
	}
	return int(ex.marker.Load())
}
