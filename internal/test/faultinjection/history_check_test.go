package faultinjection

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// versionTable returns the check of golang-migrate's version table, which Shiplock uses too.
func versionTable(s *Set) []expectation {
	return []expectation{{`SELECT string_agg(version || CASE WHEN dirty THEN ' dirty' ELSE '' END, ' ') FROM schema_migrations`, fmt.Sprint(s.Last())}}
}

// shiplockHistory returns the checks of Shiplock's history table: the newest row of each
// version is applied, with the file's SQL and all of its statements. An interrupted run has
// no row, or one of a failure without applied statements.
func shiplockHistory(s *Set) []expectation {
	var newest []string
	for i := range s.Migrations {
		m := &s.Migrations[i]
		n := len(m.Statements)
		newest = append(newest, fmt.Sprintf("%d up applied transactional: %t, %d of %d, %x", m.Version, m.Plain, n, n, sha256.Sum256([]byte(body(m)))))
	}
	return []expectation{
		{`SELECT string_agg(format('%s %s %s transactional: %s, %s of %s, %s', migration_version, run_direction, run_outcome, run_transactional::text,
				statements_applied, statements_total, encode(sha256(convert_to(up_sql, 'UTF8')), 'hex')), E'\n' ORDER BY migration_version)
			FROM (SELECT DISTINCT ON (migration_version) * FROM schema_migrations_history ORDER BY migration_version, run_id DESC) newest`, strings.Join(newest, "\n")},
		{`SELECT count(*) FROM schema_migrations_history WHERE run_outcome = 'applied'`, fmt.Sprint(len(s.Migrations))},
		{`SELECT count(*) FROM schema_migrations_history WHERE run_outcome = 'applied' AND (run_duration IS NULL OR run_error IS NOT NULL OR up_checksum !~ '^[0-9a-f]{64}$')`, "0"},
		{`SELECT string_agg(format('%s %s %s of %s', migration_version, run_outcome, statements_applied, statements_total), ', ' ORDER BY run_id) FROM schema_migrations_history
			WHERE run_outcome <> 'applied' AND NOT (run_outcome = 'failed' AND statements_applied = 0 AND run_error <> '')`, ""},
	}
}
