package faultinjection

import (
	"slices"
	"strings"
	"testing"

	"github.com/lib/pq"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// applyAll applies a set without a tool, as a correct tool does.
func applyAll(t *testing.T, s *Set) *database {
	t.Helper()
	p := newDatabase(t, nil)
	_, err := p.admin.Exec(`CREATE TABLE schema_migrations (version bigint, dirty boolean)`)
	require.NoError(t, err)
	_, err = p.admin.Exec(`INSERT INTO schema_migrations VALUES ($1, false)`, s.Last())
	require.NoError(t, err)
	_, err = p.admin.Exec(`CREATE TABLE schema_migrations_history (run_id int GENERATED ALWAYS AS IDENTITY, migration_version int, run_direction text, run_outcome text,
		run_transactional boolean, statements_applied int, statements_total int, up_checksum text, up_sql text, run_duration interval, run_error text)`)
	require.NoError(t, err)
	for i := range s.Migrations {
		m := &s.Migrations[i]
		session, err := p.admin.Conn(t.Context())
		require.NoError(t, err)
		for _, statement := range slices.Concat([]string{"SET ROLE " + pq.QuoteIdentifier(p.owner)}, m.Statements, []string{"DISCARD ALL"}) {
			_, err := session.ExecContext(t.Context(), statement)
			require.NoError(t, err, statement)
		}
		require.NoError(t, session.Close())
		_, err = p.admin.Exec(`INSERT INTO schema_migrations_history (migration_version, run_direction, run_outcome, run_transactional, statements_applied, statements_total, up_checksum, up_sql, run_duration)
			VALUES ($1, 'up', 'applied', $2, $3, $3, repeat('0', 64), $4, '1 s')`, m.Version, m.Plain, len(m.Statements), body(m))
		require.NoError(t, err)
	}
	return p
}

// testTool has the tables that applyAll writes.
var testTool = &tool{tables: []string{"schema_migrations", "schema_migrations_history"}, historyChecks: func(s *Set) []expectation { return append(versionTable(s), shiplockHistory(s)...) }}

// TestNewSet_AppliedOnce_PassesChecks applies sets of each class without a fault.
func TestNewSet_AppliedOnce_PassesChecks(t *testing.T) {
	stats := map[Class]int{}
	for seed := range uint64(40) {
		s := NewSet(seed, true)
		stats[s.Class]++
		findings, err := verify(applyAll(t, s), s, testTool)
		require.NoError(t, err)
		assert.Empty(t, findings, "seed %d", seed)
	}
	assert.Len(t, stats, 5, "the seeds give each class")
}

// insertHistory adds a row to the history table, and beforeOthers moves it before all others.
const (
	insertHistory = "INSERT INTO schema_migrations_history (migration_version, run_direction, run_outcome, statements_applied, statements_total, run_error) "
	beforeOthers  = "; UPDATE schema_migrations_history SET run_id = DEFAULT WHERE run_outcome = 'applied'"
)

// TestVerify_DamagedDatabase_ReportsOutcome changes a correct database and checks the findings.
func TestVerify_DamagedDatabase_ReportsOutcome(t *testing.T) {
	s := &Set{Class: Transactional, Tables: map[string]*Table{"a": {Columns: []string{"id"}, Rows: 2, Sum: 3, Indexes: []string{"i"}}}, Migrations: []Migration{
		{Version: 1, Plain: true, Logs: true, Statements: []string{createLog, "INSERT INTO chaos_log VALUES (1)", "CREATE TABLE a (id int)"}},
		{Version: 4, Plain: true, Logs: true, Statements: []string{"INSERT INTO a VALUES (1), (2)", "CREATE INDEX i ON a (id)", "INSERT INTO chaos_log VALUES (4)"}},
	}}
	for change, want := range map[string]Outcome{
		"SELECT 1": Recovered,
		"DELETE FROM chaos_log WHERE version = 4":                                 Lost,
		"DROP TABLE chaos_log":                                                    Lost,
		"INSERT INTO chaos_log VALUES (4)":                                        AppliedTwice,
		"DROP TABLE a":                                                            Lost,
		"ALTER TABLE a ADD COLUMN b int":                                          Incorrect,
		"INSERT INTO a VALUES (0)":                                                AppliedTwice,
		"UPDATE a SET id = id - 1":                                                Lost,
		"DROP INDEX i":                                                            Lost,
		"CREATE SCHEMA s; ALTER TABLE a SET SCHEMA s":                             Lost,
		"CREATE SCHEMA s; CREATE TABLE s.a (id int)":                              Incorrect,
		"UPDATE chaos_log SET path = 's' WHERE version = 4":                       Incorrect,
		"UPDATE chaos_log SET zone = 'Asia/Tokyo' WHERE version = 1":              Incorrect,
		"UPDATE chaos_log SET role = 'chaos_app'":                                 Incorrect,
		"CREATE INDEX j ON a (id)":                                                Incorrect,
		"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass": Incorrect,
		"UPDATE schema_migrations SET dirty = true":                               Incorrect,
		"UPDATE schema_migrations SET version = 1":                                Incorrect,
		"INSERT INTO schema_migrations VALUES (4, false)":                         Incorrect,
		"UPDATE schema_migrations_history SET run_outcome = 'running' WHERE migration_version = 4": Incorrect,
		"UPDATE schema_migrations_history SET statements_applied = 1 WHERE migration_version = 1":  Incorrect,
		"UPDATE schema_migrations_history SET up_sql = NULL WHERE migration_version = 1":           Incorrect,
		"UPDATE schema_migrations_history SET up_checksum = ''":                                    Incorrect,
		"UPDATE schema_migrations_history SET run_transactional = false":                           Incorrect,
		"DELETE FROM schema_migrations_history WHERE migration_version = 1":                        Incorrect,
		insertHistory + "SELECT 4, 'up', 'applied', 3, 3, NULL":                                    Incorrect,
		insertHistory + "SELECT 4, 'up', 'failed', 0, 3, 'after success'":                          Incorrect,
		insertHistory + "SELECT 9, 'up', 'failed', 0, 3, 'no file'":                                Incorrect,
		insertHistory + "SELECT 1, 'up', 'failed', 2, 3, 'partly applied'" + beforeOthers:          Incorrect,
		insertHistory + "SELECT 1, 'up', 'partially applied', 2, 3, 'interrupted'" + beforeOthers:  Incorrect,
		insertHistory + "SELECT 1, 'up', 'failed', 0, 3, 'applied later'" + beforeOthers:           Recovered,
	} {
		t.Run(strings.ReplaceAll(change, " ", "_"), func(t *testing.T) {
			p := applyAll(t, s)
			_, err := p.admin.Exec(change)
			require.NoError(t, err)
			findings, err := verify(p, s, testTool)
			require.NoError(t, err)
			outcome, detail := worstOutcome(findings)
			assert.Equal(t, want, outcome, detail)
		})
	}
}

// TestNewSet_SameSeed_SameSet checks that a seed is sufficient to repeat a round.
func TestNewSet_SameSeed_SameSet(t *testing.T) {
	files, faults, kinds := map[string]bool{}, map[Fault]bool{}, map[Kind]bool{}
	const seeds = 100
	for seed := range uint64(seeds) {
		s, again := NewSet(seed, true), NewSet(seed, true)
		assert.Equal(t, s, again)
		fault := NewFault(seed, "")
		assert.Equal(t, fault, NewFault(seed, ""))
		var text strings.Builder
		for i := range s.Migrations {
			text.WriteString(body(&s.Migrations[i]))
		}
		files[text.String()], faults[fault], kinds[fault.Kind] = true, true, true
	}
	assert.Len(t, files, seeds)
	assert.Len(t, faults, seeds)
	assert.ElementsMatch(t, kindNames(), names(kinds))
}

func names(kinds map[Kind]bool) []string {
	var all []string
	for k := range kinds {
		all = append(all, string(k))
	}
	return all
}
