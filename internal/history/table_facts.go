package history

import (
	"database/sql"
	"encoding/json"
	"fmt"
)

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

// tableFactsSQL is part of the session's first query (see Store.Query): it describes the relations named $2, $3 or $4 in
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
