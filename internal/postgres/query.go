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

// inline puts values into a query, as literals, in the places of $1, $2 and so on.
// With parameters lib/pq makes two round trips of a query, between which a pooler
// in transaction mode may change the server.
func inlineParams(query string, args ...any) string {
	if len(args) == 0 {
		return query // a name in it may look like one
	}
	return placeholder.ReplaceAllStringFunc(query, func(p string) string {
		n, _ := strconv.Atoi(p[1:])
		if text, ok := args[n-1].(string); ok {
			return pq.QuoteLiteral(text)
		}
		return fmt.Sprint(args[n-1])
	})
}

// row runs a query of at most one row; its Scan tells the errors.
func (db *DB) queryRow(ctx context.Context, query string, args ...any) singleRow {
	rows, err := db.query(ctx, query, args...)
	return singleRow{rows, err}
}

// rows runs a query. Its columns come as text, which Scan converts.
func (db *DB) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	defer db.cancelOnDone(ctx)()
	return db.conn.QueryContext(ctx, db.roleSQL()+inlineParams(query, args...))
}

// answerGrace is how long a server may take to answer once a query's context has
// ended. With what is done afterwards it stays under the 5 s of a stop.
const cancelGrace = 1500 * time.Millisecond

// hurry breaks the connection when ctx has ended and the server does not answer:
// lib/pq asks it to cancel the query and then waits for as long as it takes, which
// is for ever when the network has gone. The function it returns ends the watch.
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
