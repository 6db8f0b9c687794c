package postgres

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lib/pq"
	pgquery "github.com/pganalyze/pg_query_go/v6"
)

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// quoteIfNeeded quotes a name only if PostgreSQL requires it, for SQL that is shown to users.
func quoteIfNeeded(name string) string {
	if plainName.MatchString(name) && !isReservedWord(name) {
		return name
	}
	return pq.QuoteIdentifier(name)
}

// isReservedWord reports whether a word must be quoted to be used as a name.
func isReservedWord(word string) bool {
	tokens, err := pgquery.Scan(word)
	return err != nil || len(tokens.Tokens) != 1 || tokens.Tokens[0].KeywordKind != pgquery.KeywordKind_NO_KEYWORD &&
		tokens.Tokens[0].KeywordKind != pgquery.KeywordKind_UNRESERVED_KEYWORD
}

// privilegesReason reports the missing privilege, its object and owner, and the SQL that grants
// it.
func (d *diagnosis) privilegesReason() Reason {
	if extension := deniedExtension(d.fail.Server()); extension != "" {
		return Reason{Cause: ExtensionDenied, Fix: "CREATE EXTENSION IF NOT EXISTS " + quoteIfNeeded(extension) + ";", FixRole: "a superuser"}
	}
	kind, name, owner := deniedObject(d.fail.Server())
	switch kind {
	case "schema":
		return d.schemaPrivileges(name, owner)
	case "database":
		return d.databasePrivileges(name)
	case "table", "view", "relation", "sequence", "materialized view", "index", "foreign table":
		return d.relationPrivileges(kind, name, owner)
	}
	return Reason{}
}

func (d *diagnosis) schemaPrivileges(name string, owner bool) Reason {
	s := d.queryRow(`SELECT pg_catalog.pg_get_userbyid(nspowner), current_user::text,
		pg_catalog.has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = $1`, name)
	if s == nil {
		return Reason{}
	}
	if owner {
		return ownerReason("schema", quoteIfNeeded(name), s[0], s[1])
	}
	privilege := "CREATE"
	if s[2] == "false" {
		privilege = "USAGE"
		if slices.Contains([]string{"CREATE", "ALTER"}, strings.ToUpper(firstWord(d.failedStatement().Text))) {
			privilege = "USAGE, CREATE"
		}
	}
	return privilegeReason(privilege, "schema", quoteIfNeeded(name), s[0], s[1])
}

func (d *diagnosis) databasePrivileges(name string) Reason {
	s := d.queryRow(`SELECT pg_catalog.pg_get_userbyid(datdba), current_user::text FROM pg_catalog.pg_database WHERE datname = $1`, name)
	if s == nil {
		return Reason{}
	}
	return privilegeReason("CREATE", "database", quoteIfNeeded(name), s[0], s[1])
}

// relationPrivileges looks the relation up by its unqualified name; the error has no schema.
func (d *diagnosis) relationPrivileges(kind, name string, owner bool) Reason {
	s := d.queryRow(`SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner), current_user::text,
			CASE WHEN c.relkind = 'S' THEN '' ELSE concat_ws(',', VARIADIC ARRAY(SELECT r FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES']) r
				WHERE NOT pg_catalog.has_table_privilege(c.oid, r))) END
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relname = $1 AND n.nspname !~ '^pg_toast' ORDER BY pg_catalog.pg_table_is_visible(c.oid) DESC, n.nspname LIMIT 1`, name)
	if s == nil {
		return Reason{}
	}
	object := quoteIfNeeded(s[0]) + "." + quoteIfNeeded(s[1])
	if owner {
		return ownerReason(kind, object, s[2], s[3])
	}
	if kind == "sequence" {
		return privilegeReason("USAGE", kind, object, s[2], s[3])
	}
	missing := strings.Split(s[4], ",")
	privilege := d.requiredPrivilege(name)
	if !slices.Contains(missing, privilege) {
		privilege = missing[0]
	}
	if privilege == "" {
		return Reason{}
	}
	return privilegeReason(privilege, "table", object, s[2], s[3])
}

// requiredPrivilege returns the table privilege that the statement needs.
func (d *diagnosis) requiredPrivilege(table string) string {
	n := d.failedStatement().node
	switch {
	case n.GetInsertStmt().GetRelation().GetRelname() == table:
		return "INSERT"
	case n.GetUpdateStmt().GetRelation().GetRelname() == table:
		return "UPDATE"
	case n.GetDeleteStmt().GetRelation().GetRelname() == table:
		return "DELETE"
	case n.GetTruncateStmt() != nil:
		return "TRUNCATE"
	case n.GetAlterTableStmt() != nil || n.GetCreateStmt() != nil:
		return "REFERENCES"
	}
	return "SELECT"
}

func (d *diagnosis) failedStatement() Statement {
	st, _ := d.fail.Statement()
	return st
}

func privilegeReason(privilege, kind, object, owner, role string) Reason {
	on := object
	if kind != "table" {
		on = strings.ToUpper(kind) + " " + object
	}
	return Reason{
		Causes: []string{fmt.Sprintf("role %s has no %s privilege on %s %s (owner: %s)", quoteIfNeeded(role), strings.ReplaceAll(privilege, ", ", " or "), kind, object, quoteIfNeeded(owner))},
		Fix:    fmt.Sprintf("GRANT %s ON %s TO %s;", privilege, on, quoteIfNeeded(role)), FixRole: quoteIfNeeded(owner) + " or a superuser",
	}
}

func ownerReason(kind, object, owner, role string) Reason {
	return Reason{
		Causes: []string{fmt.Sprintf("must be owner of %s %s (owner: %s; current role: %s)", kind, object, quoteIfNeeded(owner), quoteIfNeeded(role))},
		Fix:    fmt.Sprintf("ALTER %s %s OWNER TO %s;", strings.ToUpper(kind), object, quoteIfNeeded(role)), FixRole: "a superuser",
	}
}

func firstWord(s string) string {
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return ""
}
