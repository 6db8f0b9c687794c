package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/config/versiontable"
	"github.com/shiplock/shiplock/internal/postgres"
)

// ErrNoSchema means that there is no schema for the version table.
var ErrNoSchema = errors.New("no schema of the search_path exists, so the version table has no schema")

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
	// NoSchema reports that the schema does not exist.
	NoSchema bool

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
func (store *Store) Query() (columns, from string) {
	schema, name, _ := versiontable.Parse(store.Opts.Table)
	switch {
	case store.Opts.resolvedTable != TableName{}:
		store.tableResolved = true
		schema, name = store.Opts.resolvedTable.Schema, store.Opts.resolvedTable.Name
	case store.tableResolved:
		schema, name = store.Table.Schema, store.Table.Name
	}
	store.Table.Name = name
	columns = postgres.InlineParams(`s.name,
			EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
				WHERE n.nspname = s.name AND c.relname = $2),
			EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
				WHERE n.nspname = s.name AND c.relname = $3),
			coalesce(pg_catalog.has_schema_privilege(n.oid, 'CREATE'), true),
			`+tableFactsSQL, schema, name, name+Suffix, name+ExternalToolSuffix)
	return columns, postgres.InlineParams(`(SELECT coalesce(nullif($1, ''), current_schema()::text) AS name) s
		LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = s.name`, schema)
}

// Destinations returns the destinations of the columns; see Inspection.
func (store *Store) Destinations() []any {
	t := &store.tables
	return []any{&t.schema, &store.VersionTableExists, &store.HistoryExists, &t.mayCreate, &t.hereJSON, &t.elsewhereJSON, &t.rails, &t.NoSchema}
}

// Finish processes the columns; see Inspection.
func (store *Store) Finish() error {
	if err := store.tables.read(store.tables.hereJSON, store.tables.elsewhereJSON); err != nil {
		return err
	}
	store.Table.Schema = store.tables.schema.String
	store.HistoryUnavailable = store.VersionTableExists && !store.HistoryExists && !store.tables.mayCreate
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
func (store *Store) CheckTables() error {
	if store.Table.Schema == "" {
		if e := store.elsewhereError(); e != nil {
			return e
		}
		return ErrNoSchema
	}
	if strings.HasPrefix(store.Table.Schema, "pg_temp") {
		e := store.tableError(TableInTempSchema, store.Table, "the first schema of the search_path is pg_temp, where the version table would be dropped at the end of the session")
		e.Detail = "golang-migrate looks for its table in current_schema()"
		return e
	}
	if store.Opts.ExternalTool {
		if e := store.elsewhereError(); e != nil {
			return e
		}
		return nil
	}
	if v := store.tables.here[store.Table.Name]; v != nil {
		if e := store.checkVersionTable(v); e != nil {
			return e
		}
	}
	if h := store.tables.here[store.Table.Name+Suffix]; h != nil {
		if e := store.checkHistoryTable(h); e != nil {
			return e
		}
	}
	for _, name := range []string{store.Table.Name, store.Table.Name + Suffix} {
		if r := store.tables.here[name]; r != nil && r.Hidden {
			return store.rowSecurityError(TableName{store.Table.Schema, name}, r)
		}
	}
	if e := store.elsewhereError(); e != nil {
		return e
	}
	return nil
}

// elsewhereError rejects a schema without tables if another schema contains them.
func (store *Store) elsewhereError() *TableError {
	if store.Opts.resolvedTable != (TableName{}) || store.tableHasSchema() {
		return nil
	}
	what := "version table and history table"
	wanted := func(o otherSchema) bool { return o.History }
	if store.Opts.ExternalTool {
		what = "history of external tools (" + store.Table.Name + ExternalToolSuffix + ")"
		wanted = func(o otherSchema) bool { return o.Tool }
		if store.tables.here[store.Table.Name+ExternalToolSuffix] != nil {
			return nil
		}
	} else if store.HistoryExists || store.VersionTableExists && !slices.ContainsFunc(store.tables.elsewhere, func(o otherSchema) bool { return o.History && o.Version }) {
		return nil
	}
	i := slices.IndexFunc(store.tables.elsewhere, wanted)
	if i < 0 {
		return nil
	}
	other := store.tables.elsewhere[i]
	if !store.Opts.ExternalTool && !other.Version {
		what = "history table"
	}
	e := store.tableError(TablesElsewhere, store.Table, "no %s in schema %s, the first in the search_path, but schema %s contains them", what, store.Table.Schema, other.Schema)
	e.OtherSchema, e.OtherDenied = other.Schema, !other.Usage
	switch {
	case store.Table.Schema == "":
		e.Problem = NoSchemaButTables
		e.Message = fmt.Sprintf("no schema in the search_path exists or is accessible, but schema %s contains a %s", other.Schema, what)
	case store.VersionTableExists:
		e.Message = fmt.Sprintf("%s has no history table, but schema %s contains a version table and a history table", store.Table, other.Schema)
	}
	return e
}

// tableError returns a TableError about a table.
func (store *Store) tableError(problem TableProblem, t TableName, format string, args ...any) *TableError {
	return &TableError{Problem: problem, Message: fmt.Sprintf(format, args...), Schema: t.Schema, Table: t.Name, VersionTable: store.Table.Name, Role: store.session.Server.User}
}

// CheckOtherSchemas rejects a schema without tables if another schema contains a golang-migrate
// version table without history at a version for which a migration file exists: the application may
// have been migrated there.
func (store *Store) CheckOtherSchemas(ctx context.Context, known func(version uint) bool) error {
	if store.VersionTableExists || store.HistoryExists || store.Opts.resolvedTable != (TableName{}) || store.Opts.ExternalTool || store.tableHasSchema() {
		return nil
	}
	for _, o := range store.tables.elsewhere {
		if !o.Version || o.History || !o.Usage {
			continue
		}
		there := TableName{o.Schema, store.Table.Name}
		st, err := store.readVersion(ctx, there)
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
		if st.Version == NoVersion || !known(uint(st.Version)) {
			continue
		}
		e := store.tableError(MigratedElsewhere, store.Table, "no version table in schema %s, the first in the search_path, but %s is at version %d, for which there is a migration file", store.Table.Schema, there, st.Version)
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

func (store *Store) checkVersionTable(r *ownTable) *TableError {
	if isVersionTable(r) {
		return nil
	}
	e := store.tableError(ForeignVersionTable, store.Table, "%s is not golang-migrate's version table", store.Table)
	e.Detail = fmt.Sprintf("it is %s (%s); golang-migrate's is a table (version bigint, dirty boolean)", withArticle(kindName(r.Kind)), columnList(r.Columns))
	if e.Tool = store.toolOf(r.Columns); e.Tool != "" {
		e.Message += fmt.Sprintf("; its columns are those of %s", e.Tool)
	}
	return e
}

func (store *Store) checkHistoryTable(r *ownTable) *TableError {
	history := TableName{store.Table.Schema, store.Table.Name + Suffix}
	var missing []string
	for _, c := range tableColumns {
		if has := r.Columns[c.name]; has == "" {
			missing = append(missing, fmt.Sprintf("%s %s is missing", c.name, c.kind))
		} else if has != c.kind {
			missing = append(missing, fmt.Sprintf("%s is %s and not %s", c.name, has, c.kind))
		}
	}
	if r.Kind == "r" && len(missing) == 0 {
		return nil
	}
	if r.Kind == "r" && len(missing) < len(tableColumns)/2 {
		e := store.tableError(AlteredHistoryTable, history, "%s has been altered", history)
		e.Detail = strings.Join(missing, ", ")
		return e
	}
	e := store.tableError(ForeignHistoryTable, history, "%s is not Shiplock's history table", history)
	e.Detail = fmt.Sprintf("it is %s (%s)", withArticle(kindName(r.Kind)), columnList(r.Columns))
	return e
}

// rowSecurityError rejects a table whose rows are hidden by row security: an empty result would be
// meaningless.
func (store *Store) rowSecurityError(t TableName, r *ownTable) *TableError {
	e := store.tableError(HiddenRows, t, "row security on %s hides rows from role %s", t, store.session.Server.User)
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
func (store *Store) toolOf(columns map[string]string) string {
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
	case len(columns) == 1 && store.tables.rails:
		return "Ruby on Rails"
	case len(columns) == 1 && (strings.HasPrefix(kind, "character varying") || kind == "text"):
		return "dbmate or Ruby on Rails"
	case len(columns) == 1 && kind != "":
		return "tern or an old golang-migrate (mattes/migrate)"
	}
	return ""
}

// readVersion reads a version table. An empty table means no version.
func (store *Store) readVersion(ctx context.Context, t TableName) (State, error) {
	rows, err := store.session.Query(ctx, "SELECT version, dirty FROM "+t.Quoted()+" LIMIT 2")
	if err != nil {
		return State{Version: NoVersion}, store.session.ClassifyError(ctx, fmt.Errorf("version table %s: %w", t, err))
	}
	st, err := ScanVersion(rows, t)
	return st, store.session.ClassifyError(ctx, errors.Join(err, rows.Close()))
}

// ScanVersion reads the rows of a version table: none, or one that golang-migrate could have
// written.
func ScanVersion(rows *sql.Rows, t TableName) (State, error) {
	st := State{Version: NoVersion}
	var seen []string
	for rows.Next() {
		var version sql.NullInt64
		var dirty sql.NullBool
		if err := rows.Scan(&version, &dirty); err != nil {
			return st, &postgres.ConversionError{Err: err}
		}
		if !version.Valid || !dirty.Valid || version.Int64 < int64(NoVersion) {
			return st, &postgres.ConversionError{Err: &TableError{Problem: InvalidVersionRow, Schema: t.Schema, Table: t.Name, VersionTable: t.Name,
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
		return State{Version: NoVersion}, &postgres.ConversionError{Err: &TableError{Problem: SeveralVersionRows, Schema: t.Schema, Table: t.Name, VersionTable: t.Name,
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

// tableHasSchema reports whether --table includes the schema.
func (store *Store) tableHasSchema() bool {
	schema, _, _ := versiontable.Parse(store.Opts.Table)
	return schema != ""
}
