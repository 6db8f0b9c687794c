package postgres

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/lib/pq"
)

// A rowSender is lib/pq's statement of a COPY … FROM stdin.
type rowSender interface {
	driver.Stmt
	CopyData(ctx context.Context, line string) (driver.Result, error)
}

// copyIn sends a COPY statement and its rows in the open transaction.
func (db *DB) copyIn(ctx context.Context, p batch) *MigrationError {
	text := db.compose(p.script, p.script.titleComment(), p.first, p.last, p.from, p.to)
	var unread error
	sent := p.start
	defer db.cancelOnDone(ctx)() // sending a row may block
	err := db.conn.Raw(func(conn any) error {
		preparer, ok := conn.(driver.ConnPrepareContext)
		if !ok {
			return driver.ErrBadConn
		}
		stmt, err := preparer.PrepareContext(ctx, text.sql)
		if err != nil {
			return err
		}
		to, ok := stmt.(rowSender)
		if !ok {
			return errors.Join(driver.ErrBadConn, stmt.Close())
		}
		err = p.copyRows(func(chunk string) error {
			_, err := to.CopyData(ctx, chunk)
			if err != nil {
				err = &copySendError{err}
			}
			sent += int64(len(chunk)) + 1
			db.runPosition.setSent(sent)
			return err
		})
		var sent *copySendError
		if err != nil && !errors.As(err, &sent) {
			unread = err
		}
		return db.endCopy(ctx, to)
	})
	if err = db.classifyError(ctx, err); err == nil {
		err = unread
	}
	if err == nil {
		return nil
	}
	fail := asMigrationError(p.script, err)
	fail.Offset = text.fileOffset(serverOffset(err, text.sql))
	if fail.FailedIndex = p.first; p.first == p.last { // SQL that the parser does not recognize
		fail.FailedIndex, fail.Offset = -1, max(fail.Offset, p.from)
	}
	fail.Row = copyErrorLine(err, p.line)
	return fail
}

// A copySendError is a row that could not be sent; the end of the COPY returns the cause.
type copySendError struct{ error }

// endCopy ends the rows and waits for the server's answer. lib/pq's own wait has no context.
func (db *DB) endCopy(ctx context.Context, to rowSender) error {
	ended := make(chan error, 1)
	go func() { ended <- to.Close() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	cancelCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	err := db.withSecondSession(cancelCtx, func(second *DB) error {
		var done bool
		return second.queryRow(cancelCtx, "SELECT pg_catalog.pg_cancel_backend($1)", db.Server.PID).Scan(&done)
	})
	if err != nil {
		db.log.Debug("could not cancel COPY; closing its connection", "error", err)
	} else {
		select {
		case <-ended:
		case <-cancelCtx.Done():
		}
	}
	return driver.ErrBadConn // closes the connection, and with it ends the goroutine
}

// copyErrorLine returns the line in the file of the row that the server names; 0 for none.
func copyErrorLine(err error, first int) int {
	var server *pq.Error
	if !errors.As(err, &server) || first == 0 {
		return 0
	}
	row := copyErrorRow(server)
	if row == 0 {
		return 0
	}
	return first + row - 1
}
