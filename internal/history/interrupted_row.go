package history

import (
	"context"
	"fmt"
)

// InterruptedRow is the history row of a run that did not finish.
type InterruptedRow struct {
	SQL           string // SQL of the direction that ran
	Session       string
	Leftover      string
	Transactional bool
}

// ReadInterruptedRow reads the latest history row of a version.
func (store *Store) ReadInterruptedRow(ctx context.Context, r Entry) (InterruptedRow, error) {
	sql, session, left := "up_sql", "session_state", "leftover"
	if r.Direction == "down" {
		sql = "down_sql"
	}
	var row InterruptedRow
	err := store.session.QueryRow(ctx, fmt.Sprintf("SELECT coalesce(%s, ''), coalesce(%s, ''), coalesce(%s, ''), coalesce(transactional, false) FROM %s history WHERE version = %d ORDER BY id DESC LIMIT 1",
		sql, session, left, store.HistoryQuery(), r.Version)).Scan(&row.SQL, &row.Session, &row.Leftover, &row.Transactional)
	return row, store.session.ClassifyError(ctx, err)
}
