package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"
)

// LiteralOrNull returns text as an SQL literal; NULL for empty text.
func LiteralOrNull(s string) string {
	if s == "" {
		return "NULL"
	}
	return strings.TrimSpace(pq.QuoteLiteral(strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")))
}

var placeholder = regexp.MustCompile(`\$[0-9]+`)

// InlineParams replaces $1, $2 … in a query with literals. With parameters, lib/pq makes two round
// trips, between which a pooler in transaction mode may switch servers.
func InlineParams(query string, args ...any) string {
	if len(args) == 0 {
		return query // a name in the query may contain $1
	}
	return placeholder.ReplaceAllStringFunc(query, func(p string) string {
		n, _ := strconv.Atoi(p[1:])
		if text, ok := args[n-1].(string); ok {
			return pq.QuoteLiteral(text)
		}
		return fmt.Sprint(args[n-1])
	})
}

// QueryRow runs a query that returns at most one row. Scan returns its errors.
func (db *Session) QueryRow(ctx context.Context, query string, args ...any) singleRow {
	rows, err := db.Query(ctx, query, args...)
	return singleRow{rows, err}
}

// Query runs a query. Its columns are text, which Scan converts.
func (db *Session) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	defer db.CancelOnDone(ctx)()
	return db.Conn.QueryContext(ctx, db.roleSQL()+InlineParams(query, args...))
}

// cancelGrace is how long the server may take to answer after a query's context has ended. Together
// with the cleanup it stays below the 5 s within which a run must stop.
const cancelGrace = 1500 * time.Millisecond

// CancelOnDone closes the connection if the server does not answer after ctx has ended. lib/pq asks
// the server to cancel the query and then waits without limit, also if the network is down. The
// returned function ends the supervision.
func (db *Session) CancelOnDone(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	unregister := context.AfterFunc(ctx, func() {
		select {
		case <-done:
		case <-time.After(cancelGrace):
			_ = db.netConn.SetDeadline(time.Unix(1, 0))
		}
	})
	return func() {
		unregister()
		close(done)
	}
}

func TextArray(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, pq.QuoteLiteral(s))
	}
	return "ARRAY[" + strings.Join(out, ", ") + "]::text[]"
}

// ConversionError reports a value that cannot be converted. The connection is usable.
type ConversionError struct{ Err error }

func (e *ConversionError) Error() string { return e.Err.Error() }
func (e *ConversionError) Unwrap() error { return e.Err }

// singleRow is the result of a query for one row. Unlike sql.Row, it distinguishes conversion
// errors from errors of the server or connection.
type singleRow struct {
	rows *sql.Rows
	err  error
}

// Scan copies the columns of the row, like sql.Row.Scan.
func (r singleRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return &ConversionError{err}
	}
	return r.rows.Close()
}
