package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/lib/pq"
)

var placeholder = regexp.MustCompile(`\$[0-9]+`)

// inlineParams replaces $1, $2 … in a query with literals. With parameters, lib/pq makes two round
// trips, between which a pooler in transaction mode may switch servers.
func inlineParams(query string, args ...any) string {
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

// queryRow runs a query that returns at most one row. Scan returns its errors.
func (db *DB) queryRow(ctx context.Context, query string, args ...any) singleRow {
	rows, err := db.query(ctx, query, args...)
	return singleRow{rows, err}
}

// query runs a query. Its columns are text, which Scan converts.
func (db *DB) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	defer db.cancelOnDone(ctx)()
	return db.conn.QueryContext(ctx, db.roleSQL()+inlineParams(query, args...))
}

// cancelGrace is how long the server may take to answer after a query's context has ended. Together
// with the cleanup it stays below the 5 s within which a run must stop.
const cancelGrace = 1500 * time.Millisecond

// cancelOnDone closes the connection if the server does not answer after ctx has ended. lib/pq asks
// the server to cancel the query and then waits without limit, also if the network is down. The
// returned function ends the supervision.
func (db *DB) cancelOnDone(ctx context.Context) (stop func()) {
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
