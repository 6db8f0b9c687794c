package postgres

import (
	"context"
	"errors"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
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
func (db *DB) sendBatch(ctx context.Context, head string, p batch, tail string) *MigrationError {
	db.startBatch(p)
	if p.copyRows != nil {
		if head != "" {
			if err := db.exec(ctx, head); err != nil {
				return asMigrationError(p.script, err)
			}
		}
		return db.copyIn(ctx, p)
	}
	if head == "" {
		head = p.script.titleComment()
	}
	if p.script.unannounced {
		head += "SAVEPOINT " + batchSavepoint + ";\n"
		tail = "\n;RELEASE SAVEPOINT " + batchSavepoint
	}
	text := db.compose(p.script, head, p.first, p.last, p.from, p.to)
	err := db.exec(ctx, text.sql+tail)
	if err == nil {
		db.Server.plpgsql = db.Server.plpgsql && !p.mayDropPlpgsql()
		db.runPosition.setSent(p.end)
		return nil
	}
	fail := asMigrationError(p.script, err)
	fail.Offset = text.fileOffset(serverOffset(err, text.sql))
	fail.FailedIndex = db.failedStatement(p.script, fail.Offset)
	if fail.RecordingFailed = tail != "" && isStatementCountError(err, text.sql); fail.RecordingFailed {
		fail.Offset = -1
	}
	if p.script.unannounced && fail.Offset < 0 && p.last-p.first > 1 {
		fail.FailedIndex = db.findFailed(ctx, p, err)
	}
	return fail
}

// startBatch records that a batch is being sent.
func (db *DB) startBatch(p batch) {
	db.marker.Store(int64(p.first))
	first := p.first
	if !db.Server.plpgsql && p.last-p.first > 1 {
		first = -1 // the server cannot report the statement
	}
	db.runPosition.startStatement(p.script, first)
}

// findFailed runs a failed batch again, in the same transaction, to determine which statement
// failed. It returns -1 if that is not possible.
func (db *DB) findFailed(ctx context.Context, p batch, failed error) int {
	var server *pq.Error
	if ctx.Err() != nil || !db.Server.plpgsql || !errors.As(failed, &server) || server.Fatal() || server.Code == pqerror.QueryCanceled {
		return -1
	}
	back := "ROLLBACK TO SAVEPOINT " + batchSavepoint + ";\n"
	if server.Code == pqerror.LockNotAvailable {
		back += "SET LOCAL lock_timeout = " + findLockTimeout + ";\n"
	}
	announced := *p.script
	announced.unannounced = false
	db.startBatch(p)
	err := db.exec(ctx, db.compose(&announced, back, p.first, p.last, p.from, p.to).sql)
	if pq.As(err, server.Code) == nil {
		return -1
	}
	return int(db.marker.Load())
}
