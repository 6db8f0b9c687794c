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

// TableError reports a version table or history table that cannot be used. A retry does not help.
type TableError struct {
	Message string // what is wrong, in one line
	Detail  string
	Hint    string
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
		return &TableError{Message: "the first schema of the search_path is pg_temp, where the version table would be dropped at the end of the session",
			Detail: "golang-migrate looks for its table in current_schema()",
			Hint:   "remove pg_temp from the search_path, or specify the schema: --table schema." + db.table.name}
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
	there := tableName{other.Schema, db.table.name}
	if !db.opts.ExternalToolLock && !other.Version {
		what = "history table"
	}
	e := &TableError{
		Message: fmt.Sprintf("no %s in schema %s, the first in the search_path, but schema %s contains them", what, db.table.schema, other.Schema),
		Detail: fmt.Sprintf("without --table schema.name, the tables are in current_schema(), which is now %s; possible causes are a new schema named like the role, a changed search_path (URL, PGOPTIONS, ALTER ROLE, ALTER DATABASE) or a revoked USAGE privilege; "+
			"every migration would run again", db.table.schema),
		Hint: fmt.Sprintf("use %s: set --table %s (in the chart: migrationsTable), or correct the search_path\nto start with no migrations applied in %s: set --table %s", there, there, db.table.schema, db.table),
	}
	switch {
	case db.table.schema == "":
		e.Message = fmt.Sprintf("no schema in the search_path exists or is accessible, but schema %s contains a %s", other.Schema, what)
		e.Detail = "possible causes are a changed search_path, a dropped schema or a revoked USAGE privilege"
		e.Hint = fmt.Sprintf("set --table %s (in the chart: migrationsTable), or correct the search_path", there)
	case db.versionTableExists:
		e.Message = fmt.Sprintf("%s has no history table, but schema %s contains a version table and a history table", db.table, other.Schema)
	}
	if !other.Usage {
		e.Hint += fmt.Sprintf("\nthe role has no USAGE privilege on schema %s: GRANT USAGE ON SCHEMA %s TO %s;", other.Schema, pq.QuoteIdentifier(other.Schema), pq.QuoteIdentifier(db.Server.User))
	}
	return e
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
		return &TableError{
			Message: fmt.Sprintf("no version table in schema %s, the first in the search_path, but %s is at version %d, for which there is a migration file", db.table.schema, there, st.Version),
			Detail:  "golang-migrate may have migrated this application there, and every migration would run again",
			Hint: fmt.Sprintf("import %s: set --table %s (in the chart: migrationsTable), or correct the search_path\nif it belongs to another application: set --table %s",
				there, there, db.table),
		}
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
	e := &TableError{
		Message: fmt.Sprintf("%s is not golang-migrate's version table", db.table),
		Detail:  fmt.Sprintf("it is %s (%s); golang-migrate's is a table (version bigint, dirty boolean)", withArticle(kindName(r.Kind)), columnList(r.Columns)),
		Hint:    "use another version table: --table shiplock_migrations (in the chart: migrationsTable)",
	}
	if tool := db.toolOf(r.Columns); tool != "" {
		e.Message += fmt.Sprintf("; its columns are those of %s", tool)
		e.Hint += "\nto run that tool under a lock: migrator exec"
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
	e := &TableError{
		Message: fmt.Sprintf("%s is not Shiplock's history table", history),
		Detail:  fmt.Sprintf("it is %s (%s)", withArticle(kindName(r.Kind)), columnList(r.Columns)),
		Hint:    fmt.Sprintf("rename or move it, or use another version table, whose history table has another name: --table (in the chart: migrationsTable; currently %s)", db.table),
	}
	if r.Kind == "r" && len(missing) < len(historyColumns)/2 {
		e.Message = fmt.Sprintf("%s has been altered", history)
		e.Detail = strings.Join(missing, ", ")
		e.Hint = fmt.Sprintf("restore the columns (ALTER TABLE %s ADD COLUMN …, or ALTER COLUMN … TYPE …), and remove the statement that changed them from the migrations", history.quoted())
	}
	return e
}

// rowSecurityError rejects a table whose rows are hidden by row security: an empty result would be
// meaningless.
func (db *DB) rowSecurityError(t tableName, r *ownTable) *TableError {
	user := pq.QuoteIdentifier(db.Server.User)
	e := &TableError{
		Message: fmt.Sprintf("row security on %s hides rows from role %s", t, db.Server.User),
		Detail:  "without all rows, it cannot be determined which migrations have been applied",
		Hint: fmt.Sprintf("as the owner (%s) or a superuser, run: ALTER TABLE %s DISABLE ROW LEVEL SECURITY;\nor: CREATE POLICY shiplock ON %s TO %s USING (true) WITH CHECK (true);",
			r.Owner, t.quoted(), t.quoted(), user),
	}
	if r.Owned {
		e.Detail = "row security is forced on the owner, too (FORCE ROW LEVEL SECURITY), and " + e.Detail
		e.Hint = fmt.Sprintf("run: ALTER TABLE %s NO FORCE ROW LEVEL SECURITY;\nor: CREATE POLICY shiplock ON %s TO %s USING (true) WITH CHECK (true);", t.quoted(), t.quoted(), user)
	}
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
			return st, &TableError{
				Message: fmt.Sprintf("%s contains a row without a valid version", t),
				Detail:  fmt.Sprintf("its version is %s and dirty is %s; golang-migrate writes a number and true or false", nullable(version.Valid, version.Int64), nullable(dirty.Valid, dirty.Bool)),
				Hint:    fmt.Sprintf("correct the row: UPDATE %s SET version = …, dirty = false;\nor use another version table: --table (in the chart: migrationsTable)", t.quoted()),
			}
		}
		st = State{Version: int(version.Int64), Dirty: dirty.Bool}
		seen = append(seen, fmt.Sprint(version.Int64))
	}
	if err := rows.Err(); err != nil {
		return st, err
	}
	if len(seen) > 1 {
		return State{Version: database.NilVersion}, &TableError{
			Message: fmt.Sprintf("%s contains more than one row (versions %s)", t, strings.Join(seen, " and ")),
			Detail:  "golang-migrate uses one row, so the version of the schema is unknown; inherited tables count, too",
			Hint:    fmt.Sprintf("compare the schema with the files and keep the correct row: DELETE FROM %s WHERE version <> …;\nor use another version table: --table (in the chart: migrationsTable)", t.quoted()),
		}
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
