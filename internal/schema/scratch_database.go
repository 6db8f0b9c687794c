package schema

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
)

// markerTableName is the table that marks a database that was empty when a rehearsal acquired it, so that its contents
// can be dropped. It also stores the schemas and extensions that existed before.
const markerTableName = "shiplock_rehearsal"

// NotScratchError reports a database that a rehearsal must not modify.
type NotScratchError struct {
	Target  string
	Problem string
}

func (e *NotScratchError) Error() string {
	return fmt.Sprintf("the scratch database %s %s", e.Target, e.Problem)
}

// Identity returns a value that identifies the database, whatever address it is reached by.
func (reader *Reader) Identity(ctx context.Context) (string, error) {
	var cluster, oid string
	err := reader.session.QueryRow(ctx, "SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()").Scan(&oid)
	if err != nil {
		return "", reader.session.ClassifyError(ctx, err)
	}
	err = reader.session.QueryRow(ctx, "SELECT system_identifier FROM pg_catalog.pg_control_system()").Scan(&cluster)
	if postgres.ServerError(err) != nil { // without the privilege, the start time identifies the server
		cluster, err = reader.session.Server.Started, nil
	}
	return cluster + " " + oid, reader.session.ClassifyError(ctx, err)
}

// AcquireScratch prepares an empty database for a rehearsal, or one that a previous rehearsal has
// left, which it resets. For any other database, it returns a *NotScratchError.
func (reader *Reader) AcquireScratch(ctx context.Context) error {
	var marked bool
	if err := reader.session.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", reader.quotedMarkerTable()).Scan(&marked); err != nil {
		return reader.session.ClassifyError(ctx, err)
	}
	if marked {
		if err := reader.refuseIfMigrated(ctx); err != nil {
			return err
		}
		if err := reader.refuseUnknownObjects(ctx); err != nil {
			return err
		}
		return reader.ResetScratch(ctx)
	}
	f, err := reader.Fingerprint(ctx)
	if err != nil {
		return err
	}
	if objects := f.userObjects(); len(objects) > 0 {
		more := ""
		if n := len(objects) - 1; n > 0 {
			more = fmt.Sprintf(" (and %d more)", n)
		}
		return &NotScratchError{Target: reader.session.Target(), Problem: fmt.Sprintf("is not empty, and its objects were not created by a rehearsal: %s%s", objects[0], more)}
	}
	return reader.session.Exec(ctx, "CREATE TABLE "+reader.quotedMarkerTable()+` AS SELECT ARRAY(SELECT extname::text FROM pg_catalog.pg_extension) AS extensions,
		ARRAY(SELECT nspname::text FROM pg_catalog.pg_namespace) AS schemas, '{}'::text[] AS made`)
}

// RecordCreated stores in the marker table which objects the rehearsal has created so far.
func (reader *Reader) RecordCreated(ctx context.Context) error {
	drops, err := reader.dropStatements(ctx)
	if err != nil {
		return err
	}
	quoted := make([]string, len(drops))
	for i, d := range drops {
		quoted[i] = pq.QuoteLiteral(d)
	}
	return reader.session.Exec(ctx, "UPDATE "+reader.quotedMarkerTable()+" SET made = ARRAY["+strings.Join(quoted, ", ")+"]::text[]")
}

// refuseUnknownObjects rejects a database left by a rehearsal if it contains objects that no
// rehearsal created: neither recorded in the marker table nor named by the SQL in the history
// table, which may have been committed just before the rehearsal was killed.
func (reader *Reader) refuseUnknownObjects(ctx context.Context) error {
	drops, err := reader.dropStatements(ctx)
	if err != nil {
		return err
	}
	sql := "''"
	if reader.store.HistoryExists {
		sql = "(SELECT coalesce(string_agg(concat_ws(' ', up_sql, down_sql), ' '), '') FROM " + reader.store.HistoryQuery() + " history)"
	}
	var made pq.StringArray
	var ran string
	if err := reader.session.QueryRow(ctx, "SELECT made, "+sql+" FROM "+reader.quotedMarkerTable()).Scan(&made, &ran); err != nil {
		return reader.session.ClassifyError(ctx, err)
	}
	ran = strings.ToLower(ran)
	for _, drop := range drops {
		name := droppedObject(drop)
		if slices.Contains(made, drop) || slices.Contains([]string{reader.store.Table.Name, reader.store.Table.Name + history.Suffix}, name) || strings.Contains(ran, strings.ToLower(name)) {
			continue
		}
		what := strings.TrimSuffix(strings.Replace(strings.TrimPrefix(drop, "DROP "), "IF EXISTS ", "", 1), " CASCADE")
		return &NotScratchError{Target: reader.session.Target(), Problem: "was left by a rehearsal, but contains an object that no rehearsal created: " + what}
	}
	return nil
}

var dropTarget = regexp.MustCompile(`(?:"((?:[^"]|"")+)"|([^\s."]+))(?:\(.*\))?$`)

// droppedObject returns the unqualified name of the object that a statement of dropQuery drops.
func droppedObject(drop string) string {
	m := dropTarget.FindStringSubmatch(strings.TrimSuffix(drop, " CASCADE"))
	if m == nil {
		return drop
	}
	return strings.ReplaceAll(m[1], `""`, `"`) + m[2]
}

// RehearsalRelease is the release that a rehearsal writes to the history table.
const RehearsalRelease = "migrator rehearse"

// refuseIfMigrated rejects a database that was left by a rehearsal and has been migrated since,
// because it is in use.
func (reader *Reader) refuseIfMigrated(ctx context.Context) error {
	if !reader.store.HistoryExists {
		return nil
	}
	var others int
	err := reader.session.QueryRow(ctx, "SELECT count(*) FROM "+reader.store.HistoryQuery()+" history WHERE release IS DISTINCT FROM "+pq.QuoteLiteral(RehearsalRelease)).Scan(&others)
	if err == nil && others > 0 {
		return &NotScratchError{Target: reader.session.Target(), Problem: "was left by a rehearsal, but has been migrated since, so it is in use"}
	}
	return reader.session.ClassifyError(ctx, err)
}

func (reader *Reader) quotedMarkerTable() string {
	return pq.QuoteIdentifier(reader.store.Table.Schema) + "." + pq.QuoteIdentifier(markerTableName)
}

// userObjects lists the objects that show that a database is in use. An empty database may have
// schemas, default privileges and extensions.
func (f Fingerprint) userObjects() []string {
	var out []string
	for _, d := range (Fingerprint{}).Differences(f) {
		if kind, _, _ := strings.Cut(d.Object, " "); !slices.Contains([]string{"schema", "extension", "comment", "default"}, kind) {
			out = append(out, d.Object)
		}
	}
	return out
}

// WithoutOwnTables returns f without the version table and the marker table.
func (reader *Reader) WithoutOwnTables(f Fingerprint) Fingerprint {
	plain := strings.NewReplacer(`"`, "") // the catalogs quote names only where necessary
	own := map[string]bool{plain.Replace(reader.quotedMarkerTable()): true, plain.Replace(reader.store.Table.Quoted()): true}
	out := Fingerprint{objects: map[object]string{}, text: f.text, parent: f.parent}
	for o, sum := range f.objects {
		if !own[plain.Replace(o.name)] && !own[plain.Replace(f.parent[o])] {
			out.objects[o] = sum
		}
	}
	return out
}

// dropQuery generates DROP statements for all objects created since the database was marked,
// including Shiplock's own tables; the marker table is dropped last.
const dropQuery = `
	SELECT pg_catalog.format('DROP SCHEMA IF EXISTS %%I CASCADE', nspname) FROM pg_catalog.pg_namespace
	WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM %[1]s WHERE nspname = ANY (schemas))
	UNION ALL SELECT pg_catalog.format('DROP EXTENSION IF EXISTS %%I CASCADE', extname) FROM pg_catalog.pg_extension
	WHERE NOT EXISTS (SELECT FROM %[1]s WHERE extname = ANY (extensions))
	UNION ALL SELECT pg_catalog.format('DROP %%s IF EXISTS %%I.%%I CASCADE', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
		WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, nspname, relname)
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
	WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND c.oid <> %[2]s::regclass AND EXISTS (SELECT FROM %[1]s WHERE nspname = ANY (schemas)) AND nspname !~ '^pg_' AND nspname <> 'information_schema'
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = c.oid
			AND (deptype = 'e' OR deptype IN ('i', 'a') AND refclassid = classid AND refobjid <> c.oid)) -- of another relation, or of an extension
	UNION ALL SELECT pg_catalog.format('DROP ROUTINE IF EXISTS %%s CASCADE', p.oid::regprocedure)
	FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = pronamespace
	WHERE EXISTS (SELECT FROM %[1]s WHERE nspname = ANY (schemas)) AND nspname !~ '^pg_' AND nspname <> 'information_schema'
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_proc'::regclass AND objid = p.oid AND deptype IN ('e', 'i'))
	UNION ALL SELECT pg_catalog.format('DROP TYPE IF EXISTS %%I.%%I CASCADE', nspname, typname)
	FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = typnamespace
	WHERE typtype IN ('d', 'e', 'r', 'b', 'p') AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid) AND EXISTS (SELECT FROM %[1]s WHERE nspname = ANY (schemas)) AND nspname !~ '^pg_' AND nspname <> 'information_schema'
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_type'::regclass AND objid = t.oid AND deptype = 'e')
	UNION ALL SELECT CASE type WHEN 'default acl' THEN %[3]s ELSE pg_catalog.format('DROP %%s IF EXISTS %%s CASCADE', replace(replace(type, '-', ' '), ' object', ''), identity) END
	FROM (%[4]s) o CROSS JOIN LATERAL pg_catalog.pg_identify_object(class, oid, 0)
	WHERE oid >= 16384 AND coalesce(schema, '') !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = class AND objid = oid AND deptype IN ('e', 'i'))`

// otherCatalogs are the catalogs whose objects pg_identify_object reports in the syntax of DROP.
var otherCatalogs = []string{"pg_event_trigger", "pg_publication", "pg_statistic_ext", "pg_cast", "pg_operator", "pg_opclass", "pg_opfamily", "pg_collation", "pg_conversion",
	"pg_ts_config", "pg_ts_dict", "pg_ts_parser", "pg_ts_template", "pg_foreign_server", "pg_foreign_data_wrapper", "pg_transform", "pg_language", "pg_am", "pg_default_acl"}

// revokeDefaultsSQL reverts ALTER DEFAULT PRIVILEGES.
const revokeDefaultsSQL = `(SELECT string_agg(pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %s %s REVOKE ALL ON %s FROM %s', defaclrole::regrole, 'IN SCHEMA ' || quote_ident(nspname),
		kind, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END), ';') || CASE WHEN nspname IS NULL THEN
		pg_catalog.format('; ALTER DEFAULT PRIVILEGES FOR ROLE %s GRANT ALL ON %s TO %1$s', defaclrole::regrole, kind)
		|| CASE defaclobjtype WHEN 'f' THEN pg_catalog.format('; ALTER DEFAULT PRIVILEGES FOR ROLE %s GRANT ALL ON %s TO PUBLIC', defaclrole::regrole, kind)
			WHEN 'T' THEN pg_catalog.format('; ALTER DEFAULT PRIVILEGES FOR ROLE %s GRANT ALL ON %s TO PUBLIC', defaclrole::regrole, kind) ELSE '' END ELSE '' END
	FROM pg_catalog.pg_default_acl LEFT JOIN pg_catalog.pg_namespace n ON n.oid = defaclnamespace, pg_catalog.aclexplode(defaclacl),
		LATERAL (SELECT CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END AS kind) k
	WHERE pg_default_acl.oid = o.oid GROUP BY defaclrole, nspname, kind, defaclobjtype)`

// dropStatements returns the statements that drop everything created since the database was marked.
func (reader *Reader) dropStatements(ctx context.Context) ([]string, error) {
	var catalogs []string
	for _, name := range otherCatalogs {
		catalogs = append(catalogs, fmt.Sprintf("SELECT 'pg_catalog.%s'::regclass AS class, oid FROM pg_catalog.%[1]s", name))
	}
	rows, err := reader.session.Query(ctx, fmt.Sprintf(dropQuery, reader.quotedMarkerTable(), pq.QuoteLiteral(reader.quotedMarkerTable()), revokeDefaultsSQL, strings.Join(catalogs, " UNION ALL ")))
	if err != nil {
		return nil, reader.session.ClassifyError(ctx, fmt.Errorf("list the objects in the scratch database: %w", err))
	}
	var out []string
	for rows.Next() {
		var drop string
		if err := rows.Scan(&drop); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		out = append(out, drop)
	}
	return out, reader.session.ClassifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

// ResetScratch drops everything that a rehearsal has created in its database. Objects that existed
// before and the marker table remain.
func (reader *Reader) ResetScratch(ctx context.Context) error {
	list, err := reader.dropStatements(ctx)
	if err != nil {
		return err
	}
	drops := "BEGIN;\nSET LOCAL client_min_messages = error;\n"
	for _, drop := range list {
		drops += drop + ";\n"
	}
	reader.store.VersionTableExists, reader.store.HistoryExists = false, false
	if err := reader.session.Exec(ctx, drops+"COMMIT"); err != nil {
		return errors.Join(fmt.Errorf("reset the scratch database: %w", err), reader.session.Rollback(ctx, ""))
	}
	return nil
}

// ReleaseScratch resets the database and drops the marker table.
func (reader *Reader) ReleaseScratch(ctx context.Context) error {
	if err := reader.ResetScratch(ctx); err != nil {
		return err
	}
	return reader.session.Exec(ctx, "DROP TABLE IF EXISTS "+reader.quotedMarkerTable())
}
