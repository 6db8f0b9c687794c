package batch

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/servermessage"
)

// A rowSender is lib/pq's statement of a COPY … FROM stdin.
type rowSender interface {
	driver.Stmt
	CopyData(ctx context.Context, line string) (driver.Result, error)
}

// copyIn sends a COPY statement and its rows in the open transaction.
func (sender *Sender) copyIn(ctx context.Context, b script.Batch) *migrationerror.Error {
	text := sender.compose(b.Script, b.Script.TitleComment(), b.First, b.Last, b.From, b.To)
	var unread error
	sent := b.Start
	defer sender.session.CancelOnDone(ctx)() // sending a row may block
	err := sender.session.Conn.Raw(func(conn any) error {
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
		err = b.CopyRows(func(chunk string) error {
			_, err := to.CopyData(ctx, chunk)
			if err != nil {
				err = &copySendError{err}
			}
			sent += int64(len(chunk)) + 1
			sender.monitor.Position.SetSent(sent)
			return err
		})
		var sent *copySendError
		if err != nil && !errors.As(err, &sent) {
			unread = err
		}
		return sender.endCopy(ctx, to)
	})
	if err = sender.session.ClassifyError(ctx, err); err == nil {
		err = unread
	}
	if err == nil {
		return nil
	}
	fail := migrationerror.Wrap(b.Script, err)
	fail.Offset = text.fileOffset(migrationerror.ServerOffset(err, text.sql))
	if fail.FailedIndex = b.First; b.First == b.Last { // SQL that the parser does not recognize
		fail.FailedIndex, fail.Offset = -1, max(fail.Offset, b.From)
	}
	fail.Row = copyErrorLine(err, b.Line)
	return fail
}

// A copySendError is a row that could not be sent; the end of the COPY returns the cause.
type copySendError struct{ error }

// endCopy ends the rows and waits for the server's answer. lib/pq's own wait has no context.
func (sender *Sender) endCopy(ctx context.Context, to rowSender) error {
	ended := make(chan error, 1)
	go func() { ended <- to.Close() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	cancelCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), postgres.CleanupTimeout)
	defer cancel()
	err := sender.session.WithSecondSession(cancelCtx, func(second *postgres.Session) error {
		var done bool
		return second.QueryRow(cancelCtx, "SELECT pg_catalog.pg_cancel_backend($1)", sender.session.Server.PID).Scan(&done)
	})
	if err != nil {
		sender.session.Log.Debug("could not cancel COPY; closing its connection", "error", err)
	} else {
		select {
		case <-ended: //nolint:errcheck // the connection is closed in any case
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
	row := servermessage.CopyRow(server)
	if row == 0 {
		return 0
	}
	return first + row - 1
}
