package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"

	"github.com/lib/pq"
)

var placeholder = regexp.MustCompile(`\$[0-9]+`)

// inline puts values into a query, as literals, in the places of $1, $2 and so on.
// With parameters lib/pq makes two round trips of a query, between which a pooler
// in transaction mode may change the server.
func inline(query string, args ...any) string {
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
func (db *DB) row(ctx context.Context, query string, args ...any) *sql.Row {
	return db.conn.QueryRowContext(ctx, inline(query, args...))
}

// rows runs a query. Its columns come as text, which Scan converts.
func (db *DB) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return db.conn.QueryContext(ctx, inline(query, args...))
}
