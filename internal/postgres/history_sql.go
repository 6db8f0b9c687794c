package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ranColumns are those of the history table that hold a Ran.
const ranColumns = "down_bytes, min_compatible_version, irreversible"

// values are those of the new columns. What went down says nothing in them.
func (r StoredMigration) values() []string {
	size, floor := "NULL", "NULL"
	if r.DownSize >= 0 && r.HasDown {
		size = fmt.Sprint(r.DownSize)
	}
	if r.MinCompatibleVersion > 0 {
		floor = fmt.Sprint(r.MinCompatibleVersion)
	}
	return []string{size, floor, fmt.Sprint(r.Irreversible)}
}

// amended is the SQL that sets the new columns of a row that is there.
func (db *DB) amended(r Run) string {
	if r.Direction != "up" {
		return ""
	}
	v := r.Stored.values()
	return fmt.Sprintf(", down_bytes = %s, min_compatible_version = %s, run_irreversible = %s", v[0], v[1], v[2])
}

// downLiteral is the SQL of the down as it is journaled: an empty file is there,
// and no NULL.
func (r Run) downLiteral() string {
	if r.downSQL == "" && r.Stored.HasDown && r.Stored.DownSize == 0 {
		return "''"
	}
	return literalOrNull(r.downSQL)
}

// ranQuery finds, for each version, the row that tells how it went up last. One
// that a person has settled, or baseline has stated, holds no SQL: what ran is in the row before.
func (db *DB) ranQuery() string {
	return fmt.Sprintf(`SELECT DISTINCT ON (version) version, id, up_sql IS NOT NULL AS has_up, down_sql IS NOT NULL AS has_down, %s
		FROM %s history WHERE direction = 'up' AND outcome NOT IN ('%s', '%s', '%s', '%s') ORDER BY version, id DESC`, ranColumns, db.historyQuery(), RunFailed, RunResolved, RunBaselined, RunBaselinedUnverified)
}

// SQL is what the journal holds of a migration.
type SQL struct{ Up, Down string }

// Recall reads the SQL of the migrations that these rows of Journal are about: as
// they went up, and for a down that has stopped part-way what it ran.
func (db *DB) StoredSQL(ctx context.Context, runs []Run) (map[int]SQL, error) {
	out := map[int]SQL{}
	if len(runs) == 0 {
		return out, nil
	}
	var ids []string
	for _, r := range runs {
		ids = append(ids, fmt.Sprintf("(%d, %d, %t)", r.Stored.id, r.id, r.IncompleteDown()))
	}
	rows, err := db.query(ctx, `SELECT n.version, coalesce(r.up_sql, n.up_sql, ''), coalesce(CASE WHEN w.part_way THEN n.down_sql ELSE r.down_sql END, '')
		FROM (VALUES `+strings.Join(ids, ", ")+`) w(ran, newest, part_way) JOIN `+db.historyQuery()+` n ON n.id = w.newest LEFT JOIN `+db.historyQuery()+` r ON r.id = w.ran`)
	if err != nil {
		return nil, db.classifyError(ctx, fmt.Errorf("SQL in the journal: %w", err))
	}
	for rows.Next() {
		var version int
		var sql SQL
		if err := rows.Scan(&version, &sql.Up, &sql.Down); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		out[version] = sql
	}
	return out, db.classifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

// PartWayDown says that the run went down and did not come to an end.
func (r Run) IncompleteDown() bool {
	switch r.Outcome {
	case RunRunning, RunPartiallyApplied, RunRepaired:
		return r.Direction == "down"
	}
	return false
}
