package batch

import (
	"context"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/script"
)

// batchSavepoint is the savepoint before a batch whose statements the server does not report.
const batchSavepoint = "shiplock_batch"

// findLockTimeout is the lock timeout in milliseconds when a batch is run again to find the
// statement that failed on a lock timeout.
const findLockTimeout = "100"

// Send sends head, a batch and tail as one query; a COPY is sent after a query for head, and its tail
// must be empty. An empty head is replaced by the title comment of the script.
//
// In a batch of a large file, the server does not report each statement, because ten thousand
// notices would take longer than the statements. Such a batch gets a savepoint between head and the
// statements, which is released before tail; if a statement fails, the batch is rolled back to the
// savepoint and run again with notices.
func (sender *Sender) Send(ctx context.Context, head string, b script.Batch, tail string) *migrationerror.Error {
	sender.startBatch(b)
	if b.CopyRows != nil {
		if head != "" {
			if err := sender.session.Exec(ctx, head); err != nil {
				return migrationerror.Wrap(b.Script, err)
			}
		}
		return sender.copyIn(ctx, b)
	}
	if head == "" {
		head = b.Script.TitleComment()
	}
	if b.Script.Unannounced {
		head += "SAVEPOINT " + batchSavepoint + ";\n"
		tail = "\n;RELEASE SAVEPOINT " + batchSavepoint + ";\n" + tail
	}
	text := sender.compose(b.Script, head, b.First, b.Last, b.From, b.To)
	err := sender.session.Exec(ctx, text.sql+tail)
	if err == nil {
		sender.session.Server.Plpgsql = sender.session.Server.Plpgsql && !b.MayDropPlpgsql()
		sender.monitor.Position.SetSent(b.End)
		return nil
	}
	fail := migrationerror.Wrap(b.Script, err)
	fail.Offset = text.fileOffset(migrationerror.ServerOffset(err, text.sql))
	fail.FailedIndex = sender.FailedStatement(b.Script, fail.Offset)
	if fail.RecordingFailed = tail != "" && isStatementCountError(err, text.sql); fail.RecordingFailed {
		fail.Offset = -1
	}
	if b.Script.Unannounced && fail.Offset < 0 && b.Last-b.First > 1 {
		fail.FailedIndex = sender.findFailed(ctx, b, err)
	}
	return fail
}

// findFailed runs a failed batch again, in the same transaction, to determine which statement
// failed. It returns -1 if that is not possible.
func (sender *Sender) findFailed(ctx context.Context, b script.Batch, failed error) int {
	var server *pq.Error
	if ctx.Err() != nil || !sender.session.Server.Plpgsql || !errors.As(failed, &server) || server.Fatal() || server.Code == pqerror.QueryCanceled {
		return -1
	}
	back := "ROLLBACK TO SAVEPOINT " + batchSavepoint + ";\n"
	if server.Code == pqerror.LockNotAvailable {
		back += "SET LOCAL lock_timeout = " + findLockTimeout + ";\n"
	}
	announced := *b.Script
	announced.Unannounced = false
	sender.startBatch(b)
	err := sender.session.Exec(ctx, sender.compose(&announced, back, b.First, b.Last, b.From, b.To).sql)
	if pq.As(err, server.Code) == nil {
		return -1
	}
	return int(sender.marker.Load())
}

// isStatementCountError reports whether an error comes from the statement count that was sent
// after file, the SQL of a migration: the position of the error is after the end of the file.
func isStatementCountError(err error, file string) bool {
	var server *pq.Error
	if !errors.As(err, &server) || server.Code.Class() == pqerror.ClassTransactionRollback {
		return false
	}
	position, err := strconv.Atoi(server.Position)
	return err == nil && position > utf8.RuneCountInString(file)
}
