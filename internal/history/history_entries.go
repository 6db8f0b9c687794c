package history

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Entries returns all rows of the history table, ordered by their start, or those of one version.
// It requires only SELECT on the history table.
func (store *Store) Entries(ctx context.Context, version *uint) ([]Entry, error) {
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
	var out []Entry
	for rows.Next() {
		var e Entry
		var seconds float64
		if err := rows.Scan(&e.ID, &e.Version, &e.Name, &e.Direction, &e.Outcome, &e.StatementsApplied, &e.StatementsTotal, &e.Started,
			&seconds, &e.Ended, &e.User, &e.Application, &e.Release, &e.Revision, &e.Namespace, &e.Pod, &e.Error); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		e.Duration = time.Duration(seconds * float64(time.Second))
		out = append(out, e)
	}
	return out, store.session.ClassifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}
