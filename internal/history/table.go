package history

import (
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

// HistoryTable returns the history table's name, qualified and quoted.
func (store *Store) HistoryTable() string {
	return pq.QuoteIdentifier(store.Table.Schema) + "." + pq.QuoteIdentifier(store.Table.Name+Suffix)
}

// HistoryQuery returns the history table as a subquery for a FROM clause, with short column names.
// The columns of the table itself have names that an application's tables do not have: a migration
// that loops over all tables with a column "name" or "id" must not find it. See ADR 15.
func (store *Store) HistoryQuery() string {
	return `(SELECT run_id AS id, migration_version AS version, migration_name AS name, run_direction AS direction, run_outcome AS outcome,
		run_transactional AS transactional, statements_applied, statements_total, up_checksum AS checksum, up_sql, down_sql, run_started_at AS started_at, run_duration AS took,
		database_user, application_name, run_release AS release, run_revision AS revision, run_namespace AS namespace, run_pod AS pod, run_error AS error,
		files_digest, database_role, down_bytes, min_compatible_version, run_irreversible AS irreversible, session_state, leftover FROM ` + store.HistoryTable() + ")"
}

// CreateTableSQL returns the SQL that creates the history table; empty if it exists.
func (store *Store) CreateTableSQL() string {
	if store.HistoryExists {
		return ""
	}
	var columns []string
	for _, c := range tableColumns {
		columns = append(columns, strings.TrimSpace(c.name+" "+c.kind+" "+c.more))
	}
	return "CREATE TABLE IF NOT EXISTS " + store.HistoryTable() + " (\n\t" + strings.Join(columns, ",\n\t") + "\n);\n"
}

// tableColumns are the columns of the history table: name, type as format_type prints it, and
// constraints.
var tableColumns = []struct{ name, kind, more string }{
	{"run_id", "bigint", "GENERATED ALWAYS AS IDENTITY PRIMARY KEY"},
	{"migration_version", "bigint", "NOT NULL"},
	{"migration_name", "text", "NOT NULL"},
	{"run_direction", "text", "NOT NULL"},
	{"run_outcome", "text", "NOT NULL"},
	{"run_transactional", "boolean", ""},
	{"statements_applied", "integer", ""},
	{"statements_total", "integer", ""},
	{"up_checksum", "text", ""},
	{"up_sql", "text", ""},
	{"down_sql", "text", ""},
	{"run_started_at", "timestamp with time zone", "NOT NULL"},
	{"run_duration", "interval", ""},
	{"database_user", "text", "NOT NULL DEFAULT session_user"},
	{"application_name", "text", "NOT NULL DEFAULT current_setting('application_name')"},
	{"run_release", "text", ""},
	{"run_revision", "text", ""},
	{"run_namespace", "text", ""},
	{"run_pod", "text", ""},
	{"run_error", "text", ""},
	{"files_digest", "text", ""},                                                                                // see Entry.FilesDigest
	{"database_role", "text", ""},                                                                               // see Options.Role
	{"down_bytes", "bigint", ""}, {"min_compatible_version", "bigint", ""}, {"run_irreversible", "boolean", ""}, // see StoredMigration
	{"session_state", "text", ""}, {"leftover", "text", ""}, // see package resume
}

// InsertSQL returns the SQL that inserts a row, and creates the history table if it is missing.
func (store *Store) InsertSQL(r Entry) string {
	if store.HistoryUnavailable {
		return ""
	}
	return store.CreateTableSQL() + store.rowSQL(r) + "DISCARD SEQUENCES;\n" // otherwise lastval() would return the row's number
}

// rowSQL returns the SQL that inserts a row.
func (store *Store) rowSQL(r Entry) string {
	took, identity := "NULL", store.Opts.Identity
	if r.Outcome != Running && r.Outcome != Imported && r.Outcome != Baselined && r.Outcome != BaselinedUnverified {
		took = fmt.Sprintf("'%.3f seconds'", time.Since(r.Started).Seconds())
	}
	values := []string{
		fmt.Sprint(r.Version), pq.QuoteLiteral(r.Name), pq.QuoteLiteral(string(r.Direction)), postgres.LiteralOrNull(r.Outcome), fmt.Sprint(r.Transactional),
		fmt.Sprint(r.StatementsApplied), fmt.Sprint(r.StatementsTotal), postgres.LiteralOrNull(r.Checksum), postgres.LiteralOrNull(r.UpSQL), r.DownLiteral(),
		postgres.LiteralOrNull(r.Started.UTC().Format(time.RFC3339Nano)), took,
		postgres.LiteralOrNull(identity.Release), postgres.LiteralOrNull(identity.Revision), postgres.LiteralOrNull(identity.Namespace), postgres.LiteralOrNull(identity.Pod), postgres.LiteralOrNull(r.Error), postgres.LiteralOrNull(r.FilesDigest), postgres.LiteralOrNull(store.session.Opts.Role),
	}
	columns := []string{
		"migration_version", "migration_name", "run_direction", "run_outcome", "run_transactional",
		"statements_applied", "statements_total", "up_checksum", "up_sql", "down_sql",
		"run_started_at", "run_duration",
		"run_release", "run_revision", "run_namespace", "run_pod", "run_error", "files_digest", "database_role",
	}
	columns, values = append(columns, "down_bytes", "min_compatible_version", "run_irreversible"), append(values, r.Stored.values()...)
	return store.insertRowSQL(columns, values)
}

// insertRowSQL returns the INSERT of a history row. NULL values are left out: with them the server
// takes a third longer.
func (store *Store) insertRowSQL(columns, values []string) string {
	var names, row []string
	for i, v := range values {
		if v != "NULL" {
			names, row = append(names, columns[i]), append(row, v)
		}
	}
	return "INSERT INTO " + store.HistoryTable() + " (" + strings.Join(names, ", ") + ")\nVALUES (" + strings.Join(row, ", ") + ");\n"
}

// UpdateSQL returns the SQL that updates the newest row of a version.
func (store *Store) UpdateSQL(version int, set string) string {
	if store.HistoryUnavailable {
		return ""
	}
	return fmt.Sprintf("UPDATE %[1]s SET %[2]s WHERE run_id = (SELECT max(run_id) FROM %[1]s WHERE migration_version = %[3]d);\n", store.HistoryTable(), set, version)
}

// values returns the values of the columns down_bytes, min_compatible_version and run_irreversible.
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
	if r.Direction != source.Up {
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
