package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/config/versiontable"
)

// The version table is used only after the catalogs and its rows confirm that it is
// golang-migrate's: its schema depends on the search_path, other tools also use the name
// schema_migrations, and row security hides rows without an error. See ADR 14.

// A TableProblem is the kind of a TableError.
type TableProblem int

const (
	// TableInTempSchema means that the tables would be temporary.
	TableInTempSchema TableProblem = iota
	// TablesElsewhere means that OtherSchema contains the tables, and Schema does not.
	TablesElsewhere
	// NoSchemaButTables means that no schema of the search_path exists, but OtherSchema contains the
	// tables.
	NoSchemaButTables
	// MigratedElsewhere means that OtherSchema contains a version table that fits the files.
	MigratedElsewhere
	// ForeignVersionTable means that another tool created the version table; see Tool.
	ForeignVersionTable
	// ForeignHistoryTable means that the history table is not Shiplock's.
	ForeignHistoryTable
	// AlteredHistoryTable means that columns of the history table were changed.
	AlteredHistoryTable
	// HiddenRows means that row security hides rows from the role.
	HiddenRows
	// InvalidVersionRow means that a row of the version table has no valid version.
	InvalidVersionRow
	// SeveralVersionRows means that the version table has more than one row.
	SeveralVersionRows
)

// TableError reports a version table or history table that cannot be used. A retry does not help.
type TableError struct {
	Problem TableProblem
	Message string // what is wrong, in one line
	Detail  string // why it is wrong, if Problem does not imply it
	// Schema and Table name the table, and VersionTable is the name of the version table in the same
	// schema. Schema is empty if no schema of the search_path exists.
	Schema, Table, VersionTable string
	// OtherSchema contains the tables if Problem is TablesElsewhere, NoSchemaButTables or
	// MigratedElsewhere. OtherDenied is set if the role has no USAGE on it.
	OtherSchema string
	OtherDenied bool
	// Role is the current role. Owner is the owner of the table, and Owned reports whether the role
	// is, or is a member of, that owner.
	Role, Owner string
	Owned       bool
	// Tool is the tool that the columns of a ForeignVersionTable indicate, or "".
	Tool string
}

func (e *TableError) Error() string { return e.Message }

// tableFacts describes Shiplock's tables as the catalogs report them.
type tableFacts struct {
	// here are the tables in the version table's schema, by name.
	here map[string]*ownTable
	// elsewhere are other schemas with tables of these names and columns.
	elsewhere []otherSchema
	rails     bool // the schema contains ar_internal_metadata, which Rails creates
	// noSchema reports that the schema does not exist.
	noSchema bool

	schema                  sql.NullString // schema of the tables; NULL if there is none
	mayCreate               bool           // in the schema
	hereJSON, elsewhereJSON sql.NullString // of here and elsewhere, as the server returns them
}

// ownTable is a version table or history table in the catalogs.
type ownTable struct {
	Kind    string            `json:"kind"` // pg_class.relkind
	Columns map[string]string `json:"columns"`
	Owner   string            `json:"owner"`
	Owned   bool              `json:"owned"` // the session's role is, or is a member of, the owner
	// Hidden reports whether row security filters the rows that the session reads.
	Hidden bool `json:"hidden"`
}

// otherSchema is a schema with such tables that --table and the search_path do not select.
type otherSchema struct {
	Schema  string `json:"schema"`
	Version bool   `json:"version"`
	History bool   `json:"history"`
	Tool    bool   `json:"tool"` // history table of external tools
	Usage   bool   `json:"usage"`
}

// tableFactsSQL is part of readServerInfo's query: it describes the relations named $2, $3 or $4 in
// the schema n, and those in other schemas. $3 is the history table.
const tableFactsSQL = `(SELECT pg_catalog.json_object_agg(c.relname, pg_catalog.json_build_object('kind', c.relkind, 'owner', pg_catalog.pg_get_userbyid(c.relowner),
		'owned', pg_catalog.pg_has_role(c.relowner, 'USAGE'),
		'columns', (SELECT pg_catalog.json_object_agg(a.attname, pg_catalog.format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL))
			FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
		'hidden', pg_catalog.row_security_active(c.oid) AND NOT (
			EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd IN ('r', '*') AND pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true'
				AND (0 = ANY (p.polroles) OR EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) r WHERE pg_catalog.pg_has_role(r, 'USAGE'))))
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive AND p.polcmd IN ('r', '*') AND pg_catalog.pg_get_expr(p.polqual, p.polrelid) <> 'true'
				AND (0 = ANY (p.polroles) OR EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) r WHERE pg_catalog.pg_has_role(r, 'USAGE')))))))
	FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relname IN ($2, $3, $4)),
	(SELECT pg_catalog.json_agg(o) FROM (
		SELECT m.nspname AS schema, bool_or(c.relname = $2) AS version, bool_or(c.relname = $3) AS history, bool_or(c.relname = $4) AS tool,
			pg_catalog.has_schema_privilege(m.oid, 'USAGE') AS usage
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace m ON m.oid = c.relnamespace
		WHERE c.relname IN ($2, $3, $4) AND c.relkind = 'r' AND m.nspname !~ '^pg_' AND m.nspname IS DISTINCT FROM s.name
			AND 2 = (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped AND (
				c.relname = $2 AND a.attname IN ('version', 'dirty') OR c.relname = $3 AND a.attname IN ('statements_applied', 'statements_total')
				OR c.relname = $4 AND a.attname IN ('schema_before', 'schema_after')))
		GROUP BY m.oid, m.nspname ORDER BY bool_or(c.relname = $3) DESC, m.nspname LIMIT 10) o),
	EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'ar_internal_metadata'), n.oid IS NULL`

// Query returns the columns and the FROM clause that read the tables; see Inspection.
func (db *DB) Query() (columns, from string) {
	schema, name, _ := versiontable.Parse(db.opts.Table)
	switch {
	case db.opts.resolvedTable != tableName{}:
		db.tableResolved = true
		schema, name = db.opts.resolvedTable.schema, db.opts.resolvedTable.name
	case db.tableResolved:
		schema, name = db.table.schema, db.table.name
	}
	db.table.name = name
	columns = inlineParams(`s.name,
			EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
				WHERE n.nspname = s.name AND c.relname = $2),
			EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
				WHERE n.nspname = s.name AND c.relname = $3),
			coalesce(pg_catalog.has_schema_privilege(n.oid, 'CREATE'), true),
			`+tableFactsSQL, schema, name, name+historySuffix, name+execSuffix)
	return columns, inlineParams(`(SELECT coalesce(nullif($1, ''), current_schema()::text) AS name) s
		LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = s.name`, schema)
}

// Destinations returns the destinations of the columns; see Inspection.
func (db *DB) Destinations() []any {
	t := &db.tables
	return []any{&t.schema, &db.versionTableExists, &db.historyExists, &t.mayCreate, &t.hereJSON, &t.elsewhereJSON, &t.rails, &t.noSchema}
}

// Finish processes the columns; see Inspection.
func (db *DB) Finish() error {
	if err := db.tables.read(db.tables.hereJSON, db.tables.elsewhereJSON); err != nil {
		return err
	}
	db.table.schema = db.tables.schema.String
	db.historyUnavailable = db.versionTableExists && !db.historyExists && !db.tables.mayCreate
	return nil
}

// read parses the columns that tableFactsSQL returns.
func (t *tableFacts) read(here, elsewhere sql.NullString) error {
	t.here, t.elsewhere = map[string]*ownTable{}, nil
	if here.Valid {
		if err := json.Unmarshal([]byte(here.String), &t.here); err != nil {
			return fmt.Errorf("read the version table's definition: %w", err)
		}
	}
	if elsewhere.Valid {
		if err := json.Unmarshal([]byte(elsewhere.String), &t.elsewhere); err != nil {
			return fmt.Errorf("read other version tables: %w", err)
		}
	}
	return nil
}

// CheckTables rejects tables that cannot be used: those of another tool, those whose rows are
// hidden, and missing ones that exist in another schema. Errors are *TableError. Open calls it
// unless Options.SkipTableCheck is set.
func (db *DB) CheckTables() error {
	if db.table.schema == "" {
		if e := db.elsewhereError(); e != nil {
			return e
		}
		return ErrNoSchema
	}
	if strings.HasPrefix(db.table.schema, "pg_temp") {
		e := db.tableError(TableInTempSchema, db.table, "the first schema of the search_path is pg_temp, where the version table would be dropped at the end of the session")
		e.Detail = "golang-migrate looks for its table in current_schema()"
		return e
	}
	if db.opts.ExternalToolLock {
		if e := db.elsewhereError(); e != nil {
			return e
		}
		return nil
	}
	if v := db.tables.here[db.table.name]; v != nil {
		if e := db.checkVersionTable(v); e != nil {
			return e
		}
	}
	if h := db.tables.here[db.table.name+historySuffix]; h != nil {
		if e := db.checkHistoryTable(h); e != nil {
			return e
		}
	}
	for _, name := range []string{db.table.name, db.table.name + historySuffix} {
		if r := db.tables.here[name]; r != nil && r.Hidden {
			return db.rowSecurityError(tableName{db.table.schema, name}, r)
		}
	}
	if e := db.elsewhereError(); e != nil {
		return e
	}
	return nil
}

// elsewhereError rejects a schema without tables if another schema contains them.
func (db *DB) elsewhereError() *TableError {
	if db.opts.resolvedTable != (tableName{}) || db.tableHasSchema() {
		return nil
	}
	what := "version table and history table"
	wanted := func(o otherSchema) bool { return o.History }
	if db.opts.ExternalToolLock {
		what = "history of external tools (" + db.table.name + execSuffix + ")"
		wanted = func(o otherSchema) bool { return o.Tool }
		if db.tables.here[db.table.name+execSuffix] != nil {
			return nil
		}
	} else if db.historyExists || db.versionTableExists && !slices.ContainsFunc(db.tables.elsewhere, func(o otherSchema) bool { return o.History && o.Version }) {
		return nil
	}
	i := slices.IndexFunc(db.tables.elsewhere, wanted)
	if i < 0 {
		return nil
	}
	other := db.tables.elsewhere[i]
	if !db.opts.ExternalToolLock && !other.Version {
		what = "history table"
	}
	e := db.tableError(TablesElsewhere, db.table, "no %s in schema %s, the first in the search_path, but schema %s contains them", what, db.table.schema, other.Schema)
	e.OtherSchema, e.OtherDenied = other.Schema, !other.Usage
	switch {
	case db.table.schema == "":
		e.Problem = NoSchemaButTables
		e.Message = fmt.Sprintf("no schema in the search_path exists or is accessible, but schema %s contains a %s", other.Schema, what)
	case db.versionTableExists:
		e.Message = fmt.Sprintf("%s has no history table, but schema %s contains a version table and a history table", db.table, other.Schema)
	}
	return e
}

// tableError returns a TableError about a table.
func (db *DB) tableError(problem TableProblem, t tableName, format string, args ...any) *TableError {
	return &TableError{Problem: problem, Message: fmt.Sprintf(format, args...), Schema: t.schema, Table: t.name, VersionTable: db.table.name, Role: db.Server.User}
}

// CheckOtherSchemas rejects a schema without tables if another schema contains a golang-migrate
// version table without history at a version for which a migration file exists: the application may
// have been migrated there.
func (db *DB) CheckOtherSchemas(ctx context.Context, known func(version uint) bool) error {
	if db.versionTableExists || db.historyExists || db.opts.resolvedTable != (tableName{}) || db.opts.ExternalToolLock || db.tableHasSchema() {
		return nil
	}
	for _, o := range db.tables.elsewhere {
		if !o.Version || o.History || !o.Usage {
			continue
		}
		there := tableName{o.Schema, db.table.name}
		st, err := db.readVersion(ctx, there)
		if pq.As(err, pqerror.InsufficientPrivilege) != nil {
			continue // a table of an application with another role
		}
		var foreign *TableError
		if errors.As(err, &foreign) {
			continue
		}
		if err != nil {
			return err
		}
		if st.Version == database.NilVersion || !known(uint(st.Version)) {
			continue
		}
		e := db.tableError(MigratedElsewhere, db.table, "no version table in schema %s, the first in the search_path, but %s is at version %d, for which there is a migration file", db.table.schema, there, st.Version)
		e.OtherSchema, e.Detail = o.Schema, "golang-migrate may have migrated this application there, and every migration would run again"
		return e
	}
	return nil
}

// isVersionTable reports whether a table has golang-migrate's columns. golang-migrate creates
// version as bigint; smaller integer types are accepted.
func isVersionTable(r *ownTable) bool {
	return r.Kind == "r" && slices.Contains([]string{"bigint", "integer", "smallint"}, r.Columns["version"]) && r.Columns["dirty"] == "boolean"
}

func (db *DB) checkVersionTable(r *ownTable) *TableError {
	if isVersionTable(r) {
		return nil
	}
	e := db.tableError(ForeignVersionTable, db.table, "%s is not golang-migrate's version table", db.table)
	e.Detail = fmt.Sprintf("it is %s (%s); golang-migrate's is a table (version bigint, dirty boolean)", withArticle(kindName(r.Kind)), columnList(r.Columns))
	if e.Tool = db.toolOf(r.Columns); e.Tool != "" {
		e.Message += fmt.Sprintf("; its columns are those of %s", e.Tool)
	}
	return e
}

func (db *DB) checkHistoryTable(r *ownTable) *TableError {
	history := tableName{db.table.schema, db.table.name + historySuffix}
	var missing []string
	for _, c := range historyColumns {
		if has := r.Columns[c.name]; has == "" {
			missing = append(missing, fmt.Sprintf("%s %s is missing", c.name, c.kind))
		} else if has != c.kind {
			missing = append(missing, fmt.Sprintf("%s is %s and not %s", c.name, has, c.kind))
		}
	}
	if r.Kind == "r" && len(missing) == 0 {
		return nil
	}
	if r.Kind == "r" && len(missing) < len(historyColumns)/2 {
		e := db.tableError(AlteredHistoryTable, history, "%s has been altered", history)
		e.Detail = strings.Join(missing, ", ")
		return e
	}
	e := db.tableError(ForeignHistoryTable, history, "%s is not Shiplock's history table", history)
	e.Detail = fmt.Sprintf("it is %s (%s)", withArticle(kindName(r.Kind)), columnList(r.Columns))
	return e
}

// rowSecurityError rejects a table whose rows are hidden by row security: an empty result would be
// meaningless.
func (db *DB) rowSecurityError(t tableName, r *ownTable) *TableError {
	e := db.tableError(HiddenRows, t, "row security on %s hides rows from role %s", t, db.Server.User)
	e.Owner, e.Owned = r.Owner, r.Owned
	return e
}

func kindName(relkind string) string {
	switch relkind {
	case "v":
		return "view"
	case "m":
		return "materialized view"
	case "f":
		return "foreign table"
	case "p":
		return "partitioned table"
	case "c":
		return "composite type"
	case "S":
		return "sequence"
	case "i", "I":
		return "index"
	}
	return "table"
}

func withArticle(noun string) string {
	if strings.HasPrefix(noun, "i") {
		return "an " + noun
	}
	return "a " + noun
}

func columnList(columns map[string]string) string {
	const most = 6
	var out []string
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		if len(out) == most {
			out = append(out, "…")
			break
		}
		out = append(out, name+" "+columns[name])
	}
	return strings.Join(out, ", ")
}

// signatures are columns that identify another tool's version table. They are used only in reports.
var signatures = []struct{ tool, columns string }{
	{"Ecto", "version inserted_at"},
	{"goose", "version_id is_applied"},
	{"Flyway", "installed_rank description"},
	{"Liquibase", "orderexecuted exectype"},
	{"Alembic", "version_num"},
	{"Prisma", "migration_name applied_steps_count"},
	{"Django", "app applied"},
	{"Laravel", "migration batch"},
	{"Knex", "name batch migration_time"},
	{"sqlx", "version installed_on success"},
	{"Diesel", "version run_on"},
	{"node-pg-migrate", "name run_on"},
	{"Phinx", "version migration_name breakpoint"},
	{"Doctrine", "version executed_at execution_time"},
	{"Entity Framework", "migrationid productversion"},
	{"refinery", "version name applied_on checksum"},
	{"Atlas", "executed_statements operator_version"},
	{"TypeORM", "timestamp name id"},
	{"Sequel", "filename"},
	{"Drizzle", "hash created_at"},
}

// toolOf guesses from the columns which tool a table belongs to, or returns "".
func (db *DB) toolOf(columns map[string]string) string {
	has := map[string]bool{}
	for name := range columns {
		has[strings.ToLower(name)] = true
	}
	for _, s := range signatures {
		if !slices.ContainsFunc(strings.Fields(s.columns), func(name string) bool { return !has[name] }) {
			return s.tool
		}
	}
	kind := columns["version"]
	switch {
	case len(columns) == 1 && db.tables.rails:
		return "Ruby on Rails"
	case len(columns) == 1 && (strings.HasPrefix(kind, "character varying") || kind == "text"):
		return "dbmate or Ruby on Rails"
	case len(columns) == 1 && kind != "":
		return "tern or an old golang-migrate (mattes/migrate)"
	}
	return ""
}

// readVersion reads a version table. An empty table means no version.
func (db *DB) readVersion(ctx context.Context, t tableName) (State, error) {
	rows, err := db.query(ctx, "SELECT version, dirty FROM "+t.quoted()+" LIMIT 2")
	if err != nil {
		return State{Version: database.NilVersion}, db.classifyError(ctx, fmt.Errorf("version table %s: %w", t, err))
	}
	st, err := scanVersion(rows, t)
	return st, db.classifyError(ctx, errors.Join(err, rows.Close()))
}

// scanVersion reads the rows of a version table: none, or one that golang-migrate could have
// written.
func scanVersion(rows *sql.Rows, t tableName) (State, error) {
	st := State{Version: database.NilVersion}
	var seen []string
	for rows.Next() {
		var version sql.NullInt64
		var dirty sql.NullBool
		if err := rows.Scan(&version, &dirty); err != nil {
			return st, &ConversionError{err}
		}
		if !version.Valid || !dirty.Valid || version.Int64 < int64(database.NilVersion) {
			return st, &ConversionError{&TableError{Problem: InvalidVersionRow, Schema: t.schema, Table: t.name, VersionTable: t.name,
				Message: fmt.Sprintf("%s contains a row without a valid version", t),
				Detail:  fmt.Sprintf("its version is %s and dirty is %s; golang-migrate writes a number and true or false", nullable(version.Valid, version.Int64), nullable(dirty.Valid, dirty.Bool)),
			}}
		}
		st = State{Version: int(version.Int64), Dirty: dirty.Bool}
		seen = append(seen, fmt.Sprint(version.Int64))
	}
	if err := rows.Err(); err != nil {
		return st, err
	}
	if len(seen) > 1 {
		return State{Version: database.NilVersion}, &ConversionError{&TableError{Problem: SeveralVersionRows, Schema: t.schema, Table: t.name, VersionTable: t.name,
			Message: fmt.Sprintf("%s contains more than one row (versions %s)", t, strings.Join(seen, " and ")),
			Detail:  "golang-migrate uses one row, so the version of the schema is unknown; inherited tables count, too",
		}}
	}
	return st, nil
}

func nullable(valid bool, v any) string {
	if !valid {
		return "NULL"
	}
	return fmt.Sprint(v)
}

// ConversionError reports a value that cannot be converted. The connection is usable.
type ConversionError struct{ Err error }

func (e *ConversionError) Error() string { return e.Err.Error() }
func (e *ConversionError) Unwrap() error { return e.Err }

// singleRow is the result of a query for one row. Unlike sql.Row, it distinguishes conversion
// errors from errors of the server or connection.
type singleRow struct {
	rows *sql.Rows
	err  error
}

// Scan copies the columns of the row, like sql.Row.Scan.
func (r singleRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return &ConversionError{err}
	}
	return r.rows.Close()
}

// tableHasSchema reports whether --table includes the schema.
func (db *DB) tableHasSchema() bool {
	schema, _, _ := versiontable.Parse(db.opts.Table)
	return schema != ""
}

// SameTables returns the options for another session on the same schema. A migration may
// create a schema that precedes it in the search_path.
func (db *DB) SameTables(o Options) Options {
	o.resolvedTable = db.table
	return o
}
