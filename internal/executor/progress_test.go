package executor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
)

// shortIntervals logs progress often.
var shortIntervals = progress.Intervals{QueryDelay: 50 * time.Millisecond, FirstLine: 50 * time.Millisecond, MaxInterval: 50 * time.Millisecond}

const runningMessage = "migration is running"

// openLoggedSession opens a session whose progress is written to the log at shortIntervals.
func openLoggedSession(t *testing.T, d *pgtest.Database, change func(*postgres.Options)) (*Executor, *fixture.Log) {
	t.Helper()
	var log fixture.Log
	o := teststore.Options(t, d.URL())
	o.Log = log.Logger()
	o.Progress = progress.NewLog(o.Log, shortIntervals)
	if change != nil {
		change(&o)
	}
	return openWithOptions(t, o), &log
}

// run applies a file as version n.
func run(t *testing.T, db *Executor, n int, sql string) *migrationerror.Error {
	t.Helper()
	name := fmt.Sprintf("%d_x.up.sql", n)
	script, err := script.ParseFile(name, []byte(sql))
	require.NoError(t, err)
	from, err := db.store.State(t.Context())
	require.NoError(t, err)
	return db.Apply(t.Context(), Migration{Script: script, From: from, To: history.State{Version: n}, number: n, of: 9, Entry: history.Entry{Version: n, Name: "x", Direction: "up"}})
}

const manyRows = 2_000_000

// fillBigTable creates a table on which each of PostgreSQL's commands takes some time.
func fillBigTable(t *testing.T, d *pgtest.Database) {
	t.Helper()
	d.Exec(t, fmt.Sprintf(`ALTER DATABASE %[1]q SET maintenance_work_mem = '1MB'; ALTER DATABASE %[1]q SET max_parallel_maintenance_workers = 0`, d.Name))
	_, err := d.Open(t).Exec(fmt.Sprintf(`CREATE UNLOGGED TABLE big WITH (autovacuum_enabled = false) AS SELECT a FROM generate_series(1, %d) a`, manyRows))
	require.NoError(t, err)
}

func TestProgress_LargeTable_ReportsPercentage(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	fillBigTable(t, d)
	blocks := d.Value(t, "SELECT pg_relation_size('big') / current_setting('block_size')::int")
	for n, c := range []struct {
		again, sql    string            // again allows sql to run once more
		phases, total map[string]string // expected: phases with a percentage, and columns with a value
	}{
		{sql: "SET vacuum_cost_delay = 1; VACUUM big;", phases: map[string]string{"scanning heap": "blocks"}, total: map[string]string{"blocks_total": blocks}},
		{again: "DROP TABLE IF EXISTS before; DROP INDEX IF EXISTS by_a", sql: "CREATE TABLE before (a int);\nCREATE INDEX by_a ON big (a);", phases: map[string]string{"building index: scanning table": "blocks", "building index: loading tuples in tree": "rows"},
			total: map[string]string{"blocks_total": blocks, "rows_total": fmt.Sprint(manyRows), "relation": "public.big", "statement": "2 of 2", "line": "2", "sql": "CREATE INDEX by_a ON big (a)"}},
		{sql: "SET vacuum_cost_delay = 1; SET vacuum_cost_limit = 10; ANALYZE big;", phases: map[string]string{"acquiring sample rows": "blocks"}, total: map[string]string{"blocks_total": blocks}},
		{sql: "SET enable_indexscan = off; CLUSTER big USING by_a;", phases: map[string]string{"seq scanning heap": "blocks", "writing new heap": "rows"}, total: map[string]string{"blocks_total": blocks, "migration": "4 of 9", "file": "4_x.up.sql"}},
		{again: "DROP INDEX IF EXISTS c", sql: "CREATE INDEX CONCURRENTLY c ON big (a);", phases: map[string]string{"building index: scanning table": "blocks", "index validation: scanning table": "blocks"}},
	} {
		var lines []fixture.Record
		different, seen := 0, map[string]int{}
		missing := func() (out []string) {
			for phase := range c.phases {
				if seen[phase] == 0 {
					out = append(out, phase)
				}
			}
			for column, value := range c.total {
				if !slices.ContainsFunc(lines, func(l fixture.Record) bool { return jsonText(l[column]) == value }) {
					out = append(out, column+"="+value)
				}
			}
			if different <= 2 {
				out = append(out, "percentages that rise")
			}
			return out
		}
		// A late query misses a phase, so the statement is repeated until all were seen.
		for deadline := time.Now().Add(5 * time.Minute); len(missing()) > 0 && time.Now().Before(deadline); {
			if lines != nil && c.again != "" {
				_, err := d.Open(t).Exec(c.again)
				require.NoError(t, err)
			}
			db, log := openLoggedSession(t, d, nil)
			require.Nil(t, run(t, db, n+1, c.sql), c.sql)
			now := log.Records(runningMessage)
			for phase, unit := range c.phases {
				of := percentages(t, now, phase, unit)
				assert.True(t, slices.IsSorted(of), "%s, %s: %v", c.sql, phase, of)
				different += len(slices.Compact(of)) // the number depends on the machine: the faster, the fewer
				seen[phase] += len(of)
			}
			lines = append(lines, now...)
			require.NoError(t, db.session.Close())
		}
		assert.Empty(t, missing(), "%s: %v", c.sql, lines)
	}
}

// jsonText formats a JSON number as PostgreSQL does.
func jsonText(v any) string {
	if n, ok := v.(float64); ok {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprint(v)
}

// percentages returns the percentages of a phase, which must match PostgreSQL's columns.
func percentages(t *testing.T, lines []fixture.Record, phase, unit string) (out []int) {
	t.Helper()
	for _, l := range lines {
		total, _ := l[unit+"_total"].(float64)
		if l["phase"] != phase || total == 0 {
			continue
		}
		percent, ok := l["percent"].(float64)
		require.True(t, ok, l)
		done, _ := l[unit+"_done"].(float64)
		assert.Equal(t, int(100*min(done/total, 1)), int(percent), l)
		out = append(out, int(percent))
	}
	return out
}

// A writer blocks the index build first, then a reader whose snapshot is older than the index.
func TestProgress_ConcurrentIndex_ReportsBlockingSessions(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, log := openLoggedSession(t, d, nil)
	require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a (b int); INSERT INTO a VALUES (1)"))
	writer := beginReader(t, d)
	_, err := writer.Exec("SET application_name = 'import'; INSERT INTO a VALUES (2)")
	require.NoError(t, err)
	done := make(chan *migrationerror.Error, 1)
	go func() { done <- run(t, db, 1, "CREATE INDEX CONCURRENTLY i ON a (b)") }()
	line := log.Wait(t, runningMessage, "phase", "waiting for writers before build")
	assert.Equal(t, "1", jsonText(line["lockers_total"]), line)
	line = log.Wait(t, runningMessage, "blocked_by", "import")
	assert.Contains(t, line["wait"], "Lock: ")

	old, err := d.Open(t).Begin()
	require.NoError(t, err)
	defer func() { _ = old.Rollback() }()
	_, err = old.Exec("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET application_name = 'nightly'; SELECT 1")
	require.NoError(t, err)
	require.NoError(t, writer.Commit())
	log.Wait(t, runningMessage, "phase", "waiting for old snapshots")
	log.Wait(t, runningMessage, "blocked_by", "nightly")
	require.NoError(t, old.Commit())
	require.Nil(t, <-done)
}

func TestProgress_BlockedStatement_ReportsBlockingSession(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, log := openLoggedSession(t, d, nil)
	require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a (b int)"))
	report := beginReader(t, d)
	done := make(chan *migrationerror.Error, 1)
	go func() { done <- run(t, db, 1, "CREATE TABLE c (d int);\n\nALTER TABLE a ADD COLUMN c int") }()
	line := log.Wait(t, runningMessage, "blocked_by", `application_name "report"`, "statement", "2 of 2") // its marker may arrive later
	assert.Equal(t, "Lock: relation", line["wait"])
	assert.Equal(t, "3", jsonText(line["line"]))
	assert.Equal(t, "ALTER TABLE a ADD COLUMN c …", line["sql"])
	require.NoError(t, report.Commit())
	require.Nil(t, <-done)
}

// The percentage is that of the bytes of the file.
func TestProgress_CopyData_ReportsPercentage(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, log := openLoggedSession(t, d, nil)
	require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a (b text CHECK (pg_sleep(0.0005) IS NOT NULL))"))
	s := streamedScript(t, "SELECT 1;\nCOPY a FROM stdin;\n"+strings.Repeat(strings.Repeat("x", 8000)+"\n", 2500)+"\\.\nSELECT 2;\n")
	s.Name = "1_rows.up.sql"
	require.Nil(t, applyScript(t.Context(), db, s))
	var seen []int
	for _, l := range log.Records(runningMessage) {
		if percent, ok := l["percent"].(float64); ok {
			seen = append(seen, int(percent))
			assert.Regexp(t, `^[\d.]+ [kM]?B of 20\.0 MB$`, l["sent"])
			assert.Contains(t, []any{"2 of 3", "3 of 3"}, l["statement"], "the last one, too, if the machine is slow")
		}
	}
	assert.True(t, slices.IsSorted(seen), seen)
	assert.Greater(t, len(slices.Compact(seen)), 3, seen)
	log.Wait(t, runningMessage, "phase", "COPY FROM", "statement", "2 of 3")
	assert.Regexp(t, `"rows_done":\d`, log.String(), "PostgreSQL's count")
}

// As above, without COPY data.
func TestProgress_LargeFile_ReportsPercentage(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, log := openLoggedSession(t, d, nil)
	require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a (b text)"))
	s := streamedScript(t, "BEGIN;\n"+strings.Repeat("INSERT INTO a VALUES ('"+strings.Repeat("x", 5000)+"');\nSELECT pg_sleep(0.01);\n", 100)+"COMMIT;\n")
	s.Name, s.Stream.BatchBytes = "1_big.up.sql", 50_000
	require.Nil(t, applyScript(t.Context(), db, s))
	var percents, statements []int
	for _, l := range log.Records(runningMessage) {
		var n, of int
		if _, err := fmt.Sscanf(fmt.Sprint(l["statement"]), "%d of %d", &n, &of); err == nil {
			assert.Equal(t, 200, of)
			statements = append(statements, n)
		}
		if percent, ok := l["percent"].(float64); ok {
			percents = append(percents, int(percent))
		}
	}
	for _, seen := range [][]int{percents, statements} {
		assert.True(t, slices.IsSorted(seen), seen)
		assert.Greater(t, len(slices.Compact(seen)), 3, seen)
	}
}
