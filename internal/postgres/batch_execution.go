package postgres

import (
	"context"
	"errors"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// portionPoint is the savepoint before a portion whose statements are not announced.
const batchSavepoint = "shiplock_portion"

// findingLockTimeout is how long, in milliseconds, a statement may wait once more
// for a lock that it did not get before.
const findLockTimeout = "100"

// send sends a portion, with SQL of ours before and behind it.
//
// In a portion of a big file the server does not announce each statement, which
// would take longer than the statements: it may hold ten thousand. When it fails
// it is rolled back to a savepoint, and runs again with announcements.
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

// reach notes that a portion is sent now.
func (db *DB) startBatch(p batch) {
	db.marker.Store(int64(p.first))
	first := p.first
	if !db.Server.plpgsql && p.last-p.first > 1 {
		first = -1 // nothing will tell which of them it is
	}
	db.runPosition.startStatement(p.script, first)
}

// find runs a portion again that has failed, in the transaction that is open still,
// to learn which of its statements it was; -1 if that cannot be had.
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
