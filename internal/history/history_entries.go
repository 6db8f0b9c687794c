package history

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A HistoryEntry is one row of the history table, as the history command prints it.
type Record struct {
	ID        int64
	Run       Entry // without Stored
	Ended     bool
	Revision  string
	Namespace string
	Pod       string
	// Application is the session's application_name.
	Application string
}

// Entries returns all rows of the history table, ordered by their start, or those of one version.
// It requires only SELECT on the history table.
func (store *Store) Entries(ctx context.Context, version *uint) ([]Record, error) {
	if !store.HistoryExists {
		return nil, nil
	}
	where := ""
	if version != nil {
		where = fmt.Sprintf(" WHERE version = %d", *version)
	}
	rows, err := store.session.Query(ctx, `SELECT id, version, name, direction, outcome, coalesce(statements_applied, 0), coalesce(statements_total, 0), started_at,
			coalesce(extract(epoch FROM took), 0)::float8, took IS NOT NULL, database_user, application_name,
			coalesce(release, ''), coalesce(revision, ''), coalesce(namespace, ''), coalesce(pod, ''), coalesce(error, '')
		FROM `+store.HistoryQuery()+" history"+where+` ORDER BY started_at, id`)
	if err != nil {
		return nil, store.session.ClassifyError(ctx, fmt.Errorf("history table %s%s: %w", store.Table, Suffix, err))
	}
	var out []Record
	for rows.Next() {
		var e Record
		var seconds float64
		if err := rows.Scan(&e.ID, &e.Run.Version, &e.Run.Name, &e.Run.Direction, &e.Run.Outcome, &e.Run.StatementsApplied, &e.Run.StatementsTotal, &e.Run.Started,
			&seconds, &e.Ended, &e.Run.User, &e.Application, &e.Run.Release, &e.Revision, &e.Namespace, &e.Pod, &e.Run.Error); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		e.Run.Duration = time.Duration(seconds * float64(time.Second))
		out = append(out, e)
	}
	return out, store.session.ClassifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}
