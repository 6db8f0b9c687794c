package history

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
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
			coalesce(extract(epoch FROM took), 0)::float8, database_user, application_name,
			coalesce(release, ''), coalesce(revision, ''), coalesce(namespace, ''), coalesce(pod, ''), coalesce(error, '')
		FROM `+store.HistoryQuery()+" history"+where+` ORDER BY started_at, id`)
	if err != nil {
		return nil, store.session.ClassifyError(ctx, fmt.Errorf("history table %s%s: %w", store.Table, Suffix, err))
	}
	var out []Entry
	for rows.Next() {
		var e Entry
		if err := rows.Scan(&e.ID, &e.Version, &e.Name, &e.Direction, &e.Outcome, &e.StatementsApplied, &e.StatementsTotal, &e.Started,
			&e.DurationSeconds, &e.User, &e.Application, &e.Release, &e.Revision, &e.Namespace, &e.Pod, &e.Error); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		out = append(out, e)
	}
	return out, store.session.ClassifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

// LatestEntries returns the newest row of each version, ordered by version.
func (store *Store) LatestEntries(ctx context.Context) ([]Entry, error) {
	if !store.HistoryExists {
		return nil, nil
	}
	rows, err := store.session.Query(ctx, `
		WITH ran AS (`+store.storedMigrationsQuery()+`), newest AS (
			SELECT DISTINCT ON (version) id, version, name, direction, outcome, statements_applied, statements_total, checksum, started_at, took, database_user,
				release, revision, namespace, error FROM `+store.HistoryQuery()+` history ORDER BY version, id DESC)
		SELECT n.id, n.version, n.name, n.direction, n.outcome, coalesce(n.statements_applied, 0), coalesce(n.statements_total, 0),
			coalesce(n.checksum, ''), n.started_at, coalesce(extract(epoch FROM n.took), 0)::float8, n.database_user,
			concat_ws(', ', n.release, 'revision ' || n.revision, 'namespace ' || n.namespace), coalesce(n.error, ''),
			coalesce(r.id, 0), coalesce(r.has_up, false), coalesce(r.has_down, false), coalesce(r.down_bytes, CASE WHEN r.irreversible IS NULL THEN -2 ELSE -1 END), coalesce(r.min_compatible_version, 0), coalesce(r.irreversible, false)
		FROM newest n LEFT JOIN ran r USING (version) ORDER BY n.version`)
	if err != nil {
		return nil, store.session.ClassifyError(ctx, fmt.Errorf("history table %s%s: %w", store.Table, Suffix, err))
	}
	var out []Entry
	for rows.Next() {
		var r Entry
		if err := rows.Scan(&r.ID, &r.Version, &r.Name, &r.Direction, &r.Outcome, &r.StatementsApplied, &r.StatementsTotal, &r.Checksum,
			&r.Started, &r.DurationSeconds, &r.User, &r.Release, &r.Error,
			&r.Stored.id, &r.Stored.HasUp, &r.Stored.HasDown, &r.Stored.DownSize, &r.Stored.MinCompatibleVersion, &r.Stored.Irreversible); err != nil {
			return nil, errors.Join(&postgres.ConversionError{Err: err}, rows.Close())
		}
		out = append(out, r)
	}
	return out, store.session.ClassifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

// storedMigrationsQuery selects, for each version, the history row of its last up migration. Rows
// written by repair or baseline contain no SQL, so the row before them is used.
func (store *Store) storedMigrationsQuery() string {
	return fmt.Sprintf(`SELECT DISTINCT ON (version) version, id, up_sql IS NOT NULL AS has_up, down_sql IS NOT NULL AS has_down, down_bytes, min_compatible_version, irreversible
		FROM %s history WHERE direction = 'up' AND outcome NOT IN ('%s', '%s', '%s', '%s') ORDER BY version, id DESC`, store.HistoryQuery(), Failed, Resolved, Baselined, BaselinedUnverified)
}

// SQL is the SQL of a migration in the history table.
type SQL struct{ Up, Down string }

// StoredSQL returns the SQL of the migrations of these history rows as they were applied, and the
// down SQL of an interrupted down migration.
func (store *Store) StoredSQL(ctx context.Context, runs []Entry) (map[int]SQL, error) {
	out := map[int]SQL{}
	if len(runs) == 0 {
		return out, nil
	}
	var ids []string
	for _, r := range runs {
		ids = append(ids, fmt.Sprintf("(%d, %d, %t)", r.Stored.id, r.ID, r.IncompleteDown()))
	}
	rows, err := store.session.Query(ctx, `SELECT n.version, coalesce(r.up_sql, n.up_sql, ''), coalesce(CASE WHEN w.incomplete THEN n.down_sql ELSE r.down_sql END, '')
		FROM (VALUES `+strings.Join(ids, ", ")+`) w(ran, newest, incomplete) JOIN `+store.HistoryQuery()+` n ON n.id = w.newest LEFT JOIN `+store.HistoryQuery()+` r ON r.id = w.ran`)
	if err != nil {
		return nil, store.session.ClassifyError(ctx, fmt.Errorf("read SQL from the history table: %w", err))
	}
	for rows.Next() {
		var version int
		var sql SQL
		if err := rows.Scan(&version, &sql.Up, &sql.Down); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		out[version] = sql
	}
	return out, store.session.ClassifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

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
	if r.Direction == source.Down {
		sql = "down_sql"
	}
	var row InterruptedRow
	err := store.session.QueryRow(ctx, fmt.Sprintf("SELECT coalesce(%s, ''), coalesce(%s, ''), coalesce(%s, ''), coalesce(transactional, false) FROM %s history WHERE version = %d ORDER BY id DESC LIMIT 1",
		sql, session, left, store.HistoryQuery(), r.Version)).Scan(&row.SQL, &row.Session, &row.Leftover, &row.Transactional)
	return row, store.session.ClassifyError(ctx, err)
}
