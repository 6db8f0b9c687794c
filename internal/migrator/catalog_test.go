package migrator_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// own selects objects created by migrations: system schemas and the members of
// extensions are left out.
const own = `n.nspname !~ '^(pg_|information_schema$)' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND d.objid = `

// catalogQueries return one line of text for each object of a database.
var catalogQueries = []string{
	`SELECT 'extension ' || extname FROM pg_extension`,
	`SELECT 'schema ' || nspname || ' ' || coalesce(nspacl::text, '') FROM pg_namespace n WHERE ` + own + `n.oid)`,
	`SELECT concat_ws(' ', 'relation', c.oid::regclass, relkind, relpersistence, relrowsecurity, relforcerowsecurity, relispartition,
		pg_get_partkeydef(c.oid), pg_get_expr(relpartbound, c.oid), reloptions, relacl, obj_description(c.oid, 'pg_class'),
		CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END)
		FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind <> 't' AND ` + own + `c.oid)`,
	`SELECT concat_ws(' ', 'column', c.oid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
		pg_get_expr(adbin, adrelid), col_description(c.oid, attnum))
		FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
		LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
		WHERE attnum > 0 AND NOT attisdropped AND relkind <> 't' AND ` + own + `c.oid)`,
	`SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(x.oid), condeferrable, condeferred, convalidated)
		FROM pg_constraint x JOIN pg_namespace n ON n.oid = connamespace WHERE ` + own + `x.oid)`,
	`SELECT concat_ws(' ', 'index', pg_get_indexdef(indexrelid), indisvalid, indisready)
		FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE ` + own + `c.oid)`,
	`SELECT concat_ws(' ', 'function', pg_get_functiondef(p.oid), p.proacl) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
		WHERE prokind <> 'a' AND ` + own + `p.oid)`,
	`SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal`,
	`SELECT concat_ws(' ', 'type', t.oid::regtype, typtype, typnotnull, (SELECT array_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid))
		FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE typtype IN ('e', 'd', 'r') AND ` + own + `t.oid)`,
	`SELECT concat_ws(' ', 'policy', tablename, policyname, permissive, roles, cmd, qual, with_check) FROM pg_policies`,
	`SELECT concat_ws(' ', 'sequence', schemaname, sequencename, data_type, start_value, increment_by, last_value) FROM pg_sequences`,
}

// describeDatabase describes everything in d: the schema, the privileges and the rows,
// including those of the version table. Equal databases have equal descriptions.
func describeDatabase(t *testing.T, d *pgtest.Database) string {
	t.Helper()
	var lines []string
	for _, q := range catalogQueries {
		lines = append(lines, queryList(t, d, q+" ORDER BY 1")...)
	}
	for _, relation := range queryList(t, d, `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'm') AND `+own+`c.oid) ORDER BY 1`) {
		for _, row := range queryList(t, d, "SELECT to_jsonb(r)::text FROM "+relation+" r ORDER BY 1") {
			lines = append(lines, "row "+relation+" "+row)
		}
	}
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "schema_migrations_history") }) // golang-migrate has none
	return strings.ReplaceAll(strings.Join(lines, "\n"), d.User, "owner")
}

func queryList(t *testing.T, d *pgtest.Database, query string) []string {
	t.Helper()
	var all []string
	err := d.Admin().QueryRow("SELECT array_agg(x) FROM (" + query + ") q (x)").Scan(pq.Array(&all))
	require.NoError(t, err, query)
	return all
}
