package history

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/postgres"
)

// Suffix is appended to the version table's name for the history table's.
const Suffix = "_history"

// Outcomes of a run in the history table.
const (
	Applied          = "applied"           // complete
	Failed           = "failed"            // rolled back, nothing was applied
	Running          = "running"           // running or interrupted: statements_applied were applied, and perhaps the next statement
	PartiallyApplied = "partially applied" // failed: statements_applied were applied, and no more
	Imported         = "imported"          // applied by another tool before the first run
	Repaired         = "repaired"          // repair set the number of applied statements; the run can resume
	Resolved         = "resolved"          // repair marked it as applied, or as rolled back
	// Baselined is the outcome of a baseline with a comparison of the schema, and
	// BaselinedUnverified without one.
	Baselined           = "baselined"
	BaselinedUnverified = "baselined unverified"
)

// Identity identifies the Helm release and the pod that run migrations, where they are known.
type Identity struct{ Release, Revision, Namespace, Pod string }

// An Entry is one row of the history table: one run of a migration. The methods that read rows fill
// the fields that their callers need.
type Entry struct {
	ID                int64
	Version           int
	Name              string
	Direction         string
	Outcome           string
	StatementsApplied int    // number of applied statements
	StatementsTotal   int    // number of statements in the file
	Checksum          string // see sqlfile.Checksum; empty if unknown
	Started           time.Time
	Duration          time.Duration
	User              string
	Release           string // from LatestEntries such as "booking, revision 3, namespace shop"
	Error             string
	// FilesDigest is the digest of all migration files, set if no migration was pending after the
	// run and no applied file had changed. Only the newest row's digest is valid.
	FilesDigest string
	// Stored is the migration as last applied; only LatestEntries reads it.
	Stored StoredMigration

	// Only Entries reads these. Ended reports whether the run ended, and Application is the
	// session's application_name.
	Ended                    bool
	Revision, Namespace, Pod string
	Application              string

	// Written and not read back.
	Transactional  bool
	UpSQL, DownSQL string
}

// A StoredMigration is a migration as last applied, whatever its files contain now.
type StoredMigration struct {
	// HasUp and HasDown report whether the history table has the SQL; see DB.StoredSQL.
	HasUp, HasDown bool
	// DownSize is the size of the down file in bytes; NoFile if there was none, or SizeUnknown
	// in a history table of an earlier release.
	DownSize int64
	// MinCompatibleVersion and Irreversible are as in sqlfile.Directives.
	MinCompatibleVersion uint
	Irreversible         bool

	id int64 // of the history row
}

// Special values of StoredMigration.DownSize.
const (
	NoFile      = -1
	SizeUnknown = -2
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
		files_digest AS catalog, database_role, down_bytes, min_compatible_version, run_irreversible AS irreversible, session_state, leftover FROM ` + store.HistoryTable() + ")"
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
	{"session_state", "text", ""}, {"leftover", "text", ""}, // see sessionState and leftoverLookup
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
		fmt.Sprint(r.Version), pq.QuoteLiteral(r.Name), pq.QuoteLiteral(r.Direction), postgres.LiteralOrNull(r.Outcome), fmt.Sprint(r.Transactional),
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
		var seconds float64
		if err := rows.Scan(&r.ID, &r.Version, &r.Name, &r.Direction, &r.Outcome, &r.StatementsApplied, &r.StatementsTotal, &r.Checksum,
			&r.Started, &seconds, &r.User, &r.Release, &r.Error,
			&r.Stored.id, &r.Stored.HasUp, &r.Stored.HasDown, &r.Stored.DownSize, &r.Stored.MinCompatibleVersion, &r.Stored.Irreversible); err != nil {
			return nil, errors.Join(&postgres.ConversionError{Err: err}, rows.Close())
		}
		r.Duration = time.Duration(seconds * float64(time.Second))
		out = append(out, r)
	}
	return out, store.session.ClassifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

// Import records the migrations of another tool: up for those it applied, down for those it
// rolled back.
func (store *Store) Import(ctx context.Context, runs []Entry) error {
	if store.HistoryUnavailable {
		store.log.Warn("history table not created: no CREATE privilege on the version table's schema", "schema", store.Table.Schema, "role", store.session.Server.User)
		return nil
	}
	var sql strings.Builder
	sql.WriteString(store.CreateTableSQL())
	for _, r := range runs {
		r.Outcome, r.Started = Imported, time.Now()
		sql.WriteString(store.rowSQL(r))
	}
	if err := store.Write(ctx, sql.String()); err != nil {
		return err
	}
	store.HistoryExists = true
	return nil
}

// SetVersion writes the version that the user specifies and records it in the history table.
func (store *Store) SetVersion(ctx context.Context, to State, r Entry) error {
	r.Started = time.Now()
	err := store.Write(ctx, store.InsertSQL(r)+store.WriteVersionSQL(to))
	if err == nil {
		store.VersionTableExists, store.HistoryExists = true, !store.HistoryUnavailable
	}
	return err
}

// Baseline writes a version and the history rows of a baseline.
func (store *Store) Baseline(ctx context.Context, to State, runs []Entry) error {
	var sql strings.Builder
	if store.HistoryUnavailable {
		store.log.Warn("history table not created: no CREATE privilege on the version table's schema", "schema", store.Table.Schema, "role", store.session.Server.User)
	} else {
		sql.WriteString(store.CreateTableSQL())
		for _, r := range runs {
			sql.WriteString(store.rowSQL(r))
		}
	}
	sql.WriteString(store.WriteVersionSQL(to))
	if err := store.Write(ctx, sql.String()); err != nil {
		return err
	}
	store.VersionTableExists, store.HistoryExists = true, !store.HistoryUnavailable
	return nil
}

// SameTables returns the options for another session on the same schema. A migration may
// create a schema that precedes it in the search_path.
func (store *Store) SameTables(o Options) Options {
	o.resolvedTable = store.Table
	return o
}

// ExternalToolSuffix is appended to the version table's name for the history table of external tools.
const ExternalToolSuffix = "_exec_history"
