package locks_test

import (
	"context"
	"database/sql"
	"os"
	"strconv"
	"strings"
	"testing"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/check/locks"
	"github.com/shiplock/shiplock/internal/check/model"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// versions are the major versions of PostgreSQL on which the statements run.
var versions = []int{14, 16, 17, 18}

// TestOf_Statements_SameLocksAsServer runs each statement of testdata/statements.sql in a
// transaction on a server, and compares the locks of pg_locks with those of the table.
func TestOf_Statements_SameLocksAsServer(t *testing.T) {
	t.Parallel()
	for _, major := range versions {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			compare(t, pgtest.Version(t, major), major)
		})
	}
}

func compare(t *testing.T, d *pgtest.Database, major int) {
	t.Helper()
	schema := read(t, "testdata/schema.sql")
	d.Exec(t, schema)
	db := d.Admin()
	compared := 0
	for _, group := range strings.Split(read(t, "testdata/statements.sql"), "\n\n") {
		since := 0
		if strings.HasPrefix(group, "-- since 17\n") {
			since = 17
		}
		if major < since {
			continue
		}
		for _, statement := range split(t, group) {
			want, err := observe(t.Context(), db, statement)
			if assert.NoError(t, err, statement) {
				assert.Equal(t, want, predicted(t, schema, statement), statement)
			}
			compared++
		}
	}
	assert.Greater(t, compared, 150)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// split returns the statements of a text.
func split(t *testing.T, text string) []string {
	t.Helper()
	statements, err := pgquery.SplitWithParser(text, true)
	require.NoError(t, err, text)
	return statements
}

// predicted returns the locks of a statement by the table, for the tables of the schema.
func predicted(t *testing.T, schema, statement string) map[string]string {
	t.Helper()
	s := model.New()
	for _, text := range append(split(t, schema), statement) {
		tree, err := pgquery.Parse(text)
		require.NoError(t, err, text)
		require.Len(t, tree.Stmts, 1)
		if text == statement {
			out := map[string]string{}
			for table, mode := range locks.Of(tree.Stmts[0].Stmt, s) {
				if table.Known {
					out[table.Name] = mode.String()
				}
			}
			return out
		}
		s.Apply(tree.Stmts[0].Stmt, false)
	}
	return nil
}

// observe runs a statement in a transaction, returns the strongest lock of the transaction on each
// table, and rolls back.
func observe(ctx context.Context, db *sql.DB, statement string) (map[string]string, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	oids, names, err := before(ctx, conn)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, statement); err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, `SELECT l.relation::text, l.mode FROM pg_locks l WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid()
		AND l.relation::text = ANY (string_to_array($1, ','))`, oids)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var oid, mode string
		if err := rows.Scan(&oid, &mode); err != nil {
			return nil, err
		}
		if text := modeText[mode]; strength(text) > strength(out[names[oid]]) {
			out[names[oid]] = text
		}
	}
	return out, rows.Err()
}

// before returns the OIDs and names of the tables.
func before(ctx context.Context, conn *sql.Conn) (oids string, names map[string]string, err error) {
	rows, err := conn.QueryContext(ctx, `SELECT c.oid::text, CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`)
	if err != nil {
		return "", nil, err
	}
	defer rows.Close()
	names = map[string]string{}
	var all []string
	for rows.Next() {
		var oid, name string
		if err := rows.Scan(&oid, &name); err != nil {
			return "", nil, err
		}
		names[oid], all = name, append(all, oid)
	}
	return strings.Join(all, ","), names, rows.Err()
}

// modeText has the modes as LOCK TABLE spells them, by their names in pg_locks.
var modeText = map[string]string{
	"AccessShareLock": "ACCESS SHARE", "RowShareLock": "ROW SHARE", "RowExclusiveLock": "ROW EXCLUSIVE", "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
	"ShareLock": "SHARE", "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE", "ExclusiveLock": "EXCLUSIVE", "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}

// strength returns the rank of a mode; 0 for none.
func strength(mode string) int {
	for m := locks.AccessShare; m <= locks.AccessExclusive; m++ {
		if m.String() == mode {
			return int(m)
		}
	}
	return 0
}

func TestMode_Conflicts_Described(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "reads and writes", locks.AccessExclusive.Blocks())
	assert.Equal(t, "writes", locks.Share.Blocks())
	assert.False(t, locks.ShareUpdateExclusive.BlocksWrites())
	assert.True(t, locks.ShareRowExclusive.BlocksWrites())
	assert.False(t, locks.Exclusive.BlocksReads())
}
