package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/script/syntax"
	"github.com/shiplock/shiplock/internal/servermessage"
)

// privilegesReason reports the missing privilege, its object and owner, and the SQL that grants
// it.
func (d *diagnosis) privilegesReason() migrationerror.Reason {
	if extension := servermessage.DeniedExtension(d.fail.Server()); extension != "" {
		return migrationerror.Reason{Cause: migrationerror.ExtensionDenied, Fix: "CREATE EXTENSION IF NOT EXISTS " + syntax.QuoteIfNeeded(extension) + ";", FixRole: "a superuser"}
	}
	kind, name, owner := servermessage.DeniedObject(d.fail.Server())
	switch kind {
	case "schema":
		return d.schemaPrivileges(name, owner)
	case "database":
		return d.databasePrivileges(name)
	case "table", "view", "relation", "sequence", "materialized view", "index", "foreign table":
		return d.relationPrivileges(kind, name, owner)
	}
	return migrationerror.Reason{}
}

func (d *diagnosis) schemaPrivileges(name string, owner bool) migrationerror.Reason {
	s := d.queryRow(`SELECT pg_catalog.pg_get_userbyid(nspowner), current_user::text,
		pg_catalog.has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = $1`, name)
	if s == nil {
		return migrationerror.Reason{}
	}
	if owner {
		return ownerReason("schema", syntax.QuoteIfNeeded(name), s[0], s[1])
	}
	privilege := "CREATE"
	if s[2] == "false" {
		privilege = "USAGE"
		if slices.Contains([]string{"CREATE", "ALTER"}, strings.ToUpper(firstWord(d.failedStatement().Text))) {
			privilege = "USAGE, CREATE"
		}
	}
	return privilegeReason(privilege, "schema", syntax.QuoteIfNeeded(name), s[0], s[1])
}

func (d *diagnosis) databasePrivileges(name string) migrationerror.Reason {
	s := d.queryRow(`SELECT pg_catalog.pg_get_userbyid(datdba), current_user::text FROM pg_catalog.pg_database WHERE datname = $1`, name)
	if s == nil {
		return migrationerror.Reason{}
	}
	return privilegeReason("CREATE", "database", syntax.QuoteIfNeeded(name), s[0], s[1])
}

// relationPrivileges looks the relation up by its unqualified name; the error has no schema.
func (d *diagnosis) relationPrivileges(kind, name string, owner bool) migrationerror.Reason {
	s := d.queryRow(`SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner), current_user::text,
			CASE WHEN c.relkind = 'S' THEN '' ELSE concat_ws(',', VARIADIC ARRAY(SELECT r FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES']) r
				WHERE NOT pg_catalog.has_table_privilege(c.oid, r))) END
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relname = $1 AND n.nspname !~ '^pg_toast' ORDER BY pg_catalog.pg_table_is_visible(c.oid) DESC, n.nspname LIMIT 1`, name)
	if s == nil {
		return migrationerror.Reason{}
	}
	object := syntax.QuoteIfNeeded(s[0]) + "." + syntax.QuoteIfNeeded(s[1])
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
		return migrationerror.Reason{}
	}
	return privilegeReason(privilege, "table", object, s[2], s[3])
}

// requiredPrivilege returns the table privilege that the statement needs.
func (d *diagnosis) requiredPrivilege(table string) string {
	n := d.failedStatement().Node
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

func privilegeReason(privilege, kind, object, owner, role string) migrationerror.Reason {
	on := object
	if kind != "table" {
		on = strings.ToUpper(kind) + " " + object
	}
	return migrationerror.Reason{
		Causes: []string{fmt.Sprintf("role %s has no %s privilege on %s %s (owner: %s)", syntax.QuoteIfNeeded(role), strings.ReplaceAll(privilege, ", ", " or "), kind, object, syntax.QuoteIfNeeded(owner))},
		Fix:    fmt.Sprintf("GRANT %s ON %s TO %s;", privilege, on, syntax.QuoteIfNeeded(role)), FixRole: syntax.QuoteIfNeeded(owner) + " or a superuser",
	}
}

func ownerReason(kind, object, owner, role string) migrationerror.Reason {
	return migrationerror.Reason{
		Causes: []string{fmt.Sprintf("must be owner of %s %s (owner: %s; current role: %s)", kind, object, syntax.QuoteIfNeeded(owner), syntax.QuoteIfNeeded(role))},
		Fix:    fmt.Sprintf("ALTER %s %s OWNER TO %s;", strings.ToUpper(kind), object, syntax.QuoteIfNeeded(role)), FixRole: "a superuser",
	}
}

func firstWord(s string) string {
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return ""
}
