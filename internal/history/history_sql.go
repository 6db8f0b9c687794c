package history

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/postgres"
)

// storedColumns are the columns of the history table that store a StoredMigration.
const storedColumns = "down_bytes, min_compatible_version, irreversible"

// values returns the values of storedColumns. They are NULL for a down migration.
func (r StoredMigration) values() []string {
	size, minVersion := "NULL", "NULL"
	if r.DownSize >= 0 && r.HasDown {
		size = fmt.Sprint(r.DownSize)
	}
	if r.MinCompatibleVersion > 0 {
		minVersion = fmt.Sprint(r.MinCompatibleVersion)
	}
	return []string{size, minVersion, fmt.Sprint(r.Irreversible)}
}

// UpdateStoredSQL returns the SQL that sets these columns in an existing row.
func (store *Store) UpdateStoredSQL(r Entry) string {
	if r.Direction != "up" {
		return ""
	}
	v := r.Stored.values()
	return fmt.Sprintf(", down_bytes = %s, min_compatible_version = %s, run_irreversible = %s", v[0], v[1], v[2])
}

// DownLiteral returns the down SQL as a literal: the empty string for an empty file, NULL for a missing one.
func (r Entry) DownLiteral() string {
	if r.DownSQL == "" && r.Stored.HasDown && r.Stored.DownSize == 0 {
		return "''"
	}
	return postgres.LiteralOrNull(r.DownSQL)
}

// storedMigrationsQuery selects, for each version, the history row of its last up migration. Rows
// written by repair or baseline contain no SQL, so the row before them is used.
func (store *Store) storedMigrationsQuery() string {
	return fmt.Sprintf(`SELECT DISTINCT ON (version) version, id, up_sql IS NOT NULL AS has_up, down_sql IS NOT NULL AS has_down, %s
		FROM %s history WHERE direction = 'up' AND outcome NOT IN ('%s', '%s', '%s', '%s') ORDER BY version, id DESC`, storedColumns, store.HistoryQuery(), Failed, Resolved, Baselined, BaselinedUnverified)
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

// IncompleteDown reports whether the row is a down migration that did not finish.
func (r Entry) IncompleteDown() bool {
	switch r.Outcome {
	case Running, PartiallyApplied, Repaired:
		return r.Direction == "down"
	}
	return false
}
