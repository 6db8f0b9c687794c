package history

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/config/versiontable"
)

// The version table is used only after the catalogs and its rows confirm that it is
// golang-migrate's: its schema depends on the search_path, other tools also use the name
// schema_migrations, and row security hides rows without an error. See ADR 14.

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

// tableHasSchema reports whether --table includes the schema.
func (store *Store) tableHasSchema() bool {
	schema, _, _ := versiontable.Parse(store.Opts.Table)
	return schema != ""
}
