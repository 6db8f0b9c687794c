package chaos

import (
	"slices"
	"strings"
	"testing"

	"github.com/lib/pq"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// all runs a set by hand, as a tool should.
func all(t *testing.T, s *Set) *place {
	t.Helper()
	p := newPlace(t, nil)
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

// ours are the books that all keeps.
var ours = &tool{tables: []string{"schema_migrations", "schema_migrations_history"}, books: func(s *Set) []entry { return append(versionTable(s), journal(s)...) }}

// TestSetsLeadWhereTheySay runs sets of every class undisturbed.
func TestSetsLeadWhereTheySay(t *testing.T) {
	seen := map[Class]int{}
	for seed := range uint64(40) {
		s := NewSet(seed, true)
		seen[s.Class]++
		findings, err := consult(all(t, s), s, ours)
		require.NoError(t, err)
		assert.Empty(t, findings, "seed %d", seed)
	}
	assert.Len(t, seen, 5, "seeds that give every class")
}

// journaled adds a row to the journal, and below puts it before all others.
const (
	journaled = "INSERT INTO schema_migrations_history (migration_version, run_direction, run_outcome, statements_applied, statements_total, run_error) "
	below     = "; UPDATE schema_migrations_history SET run_id = DEFAULT WHERE run_outcome = 'applied'"
)

// TestOracleSees damages a good database and asks what is wrong.
func TestOracleSees(t *testing.T) {
	s := &Set{Class: Transactional, Tables: map[string]*Table{"a": {Columns: []string{"id"}, Rows: 2, Sum: 3, Indexes: []string{"i"}}}, Migrations: []Migration{
		{Version: 1, Plain: true, Logs: true, Statements: []string{createLog, "INSERT INTO chaos_log VALUES (1)", "CREATE TABLE a (id int)"}},
		{Version: 4, Plain: true, Logs: true, Statements: []string{"INSERT INTO a VALUES (1), (2)", "CREATE INDEX i ON a (id)", "INSERT INTO chaos_log VALUES (4)"}},
	}}
	for damage, want := range map[string]Outcome{
		"SELECT 1": Recovered,
		"DELETE FROM chaos_log WHERE version = 4":                                 Lost,
		"DROP TABLE chaos_log":                                                    Lost,
		"INSERT INTO chaos_log VALUES (4)":                                        Doubled,
		"DROP TABLE a":                                                            Lost,
		"ALTER TABLE a ADD COLUMN b int":                                          Wrong,
		"INSERT INTO a VALUES (0)":                                                Doubled,
		"UPDATE a SET id = id - 1":                                                Lost,
		"DROP INDEX i":                                                            Lost,
		"CREATE SCHEMA s; ALTER TABLE a SET SCHEMA s":                             Lost,
		"CREATE SCHEMA s; CREATE TABLE s.a (id int)":                              Wrong,
		"UPDATE chaos_log SET path = 's' WHERE version = 4":                       Wrong,
		"UPDATE chaos_log SET zone = 'Asia/Tokyo' WHERE version = 1":              Wrong,
		"UPDATE chaos_log SET role = 'chaos_app'":                                 Wrong,
		"CREATE INDEX j ON a (id)":                                                Wrong,
		"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass": Wrong,
		"UPDATE schema_migrations SET dirty = true":                               Wrong,
		"UPDATE schema_migrations SET version = 1":                                Wrong,
		"INSERT INTO schema_migrations VALUES (4, false)":                         Wrong,
		"UPDATE schema_migrations_history SET run_outcome = 'running' WHERE migration_version = 4": Wrong,
		"UPDATE schema_migrations_history SET statements_applied = 1 WHERE migration_version = 1":  Wrong,
		"UPDATE schema_migrations_history SET up_sql = NULL WHERE migration_version = 1":           Wrong,
		"UPDATE schema_migrations_history SET up_checksum = ''":                                    Wrong,
		"UPDATE schema_migrations_history SET run_transactional = false":                           Wrong,
		"DELETE FROM schema_migrations_history WHERE migration_version = 1":                        Wrong,
		journaled + "SELECT 4, 'up', 'applied', 3, 3, NULL":                                        Wrong,
		journaled + "SELECT 4, 'up', 'failed', 0, 3, 'after all'":                                  Wrong,
		journaled + "SELECT 9, 'up', 'failed', 0, 3, 'of no file'":                                 Wrong,
		journaled + "SELECT 1, 'up', 'failed', 2, 3, 'not nothing'" + below:                        Wrong,
		journaled + "SELECT 1, 'up', 'partially applied', 2, 3, 'and gone on'" + below:             Wrong,
		journaled + "SELECT 1, 'up', 'failed', 0, 3, 'and then it ran'" + below:                    Recovered,
	} {
		t.Run(strings.ReplaceAll(damage, " ", "_"), func(t *testing.T) {
			p := all(t, s)
			_, err := p.admin.Exec(damage)
			require.NoError(t, err)
			findings, err := consult(p, s, ours)
			require.NoError(t, err)
			outcome, words := judge(findings)
			assert.Equal(t, want, outcome, words)
		})
	}
}

// TestSeedRepeats: a seed is all that a failed round leaves behind.
func TestSeedRepeats(t *testing.T) {
	files, strikes, kinds := map[string]bool{}, map[Strike]bool{}, map[Kind]bool{}
	const seeds = 100
	for seed := range uint64(seeds) {
		s, again := NewSet(seed, true), NewSet(seed, true)
		assert.Equal(t, s, again)
		strike := NewStrike(seed, "")
		assert.Equal(t, strike, NewStrike(seed, ""))
		var all strings.Builder
		for i := range s.Migrations {
			all.WriteString(body(&s.Migrations[i]))
		}
		files[all.String()], strikes[strike], kinds[strike.Kind] = true, true, true
	}
	assert.Len(t, files, seeds)
	assert.Len(t, strikes, seeds)
	assert.ElementsMatch(t, kindNames(), names(kinds))
}

func names(kinds map[Kind]bool) []string {
	var all []string
	for k := range kinds {
		all = append(all, string(k))
	}
	return all
}
