package syntax

import (
	"regexp"
	"strings"

	"github.com/lib/pq"
	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// LastName returns the last part of a qualified name.
func LastName(names []*pgquery.Node) string {
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1].GetString_().GetSval()
}

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// QuoteIfNeeded quotes a name only if PostgreSQL requires it, for SQL that is shown to users.
func QuoteIfNeeded(name string) string {
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

// OnlyDropName returns the quoted name of a DROP with one object.
func OnlyDropName(objects []*pgquery.Node) string {
	if len(objects) != 1 {
		return ""
	}
	return QuoteName(objects[0].GetList().GetItems())
}

// QuoteName writes a name, qualified or not, as SQL.
func QuoteName(name []*pgquery.Node) string {
	var parts []string
	for _, n := range name {
		parts = append(parts, pq.QuoteIdentifier(n.GetString_().GetSval()))
	}
	return strings.Join(parts, ".")
}

// QuoteQualified writes a name as SQL, with its schema unless that is empty.
func QuoteQualified(schema, name string) string {
	if schema == "" {
		return pq.QuoteIdentifier(name)
	}
	return pq.QuoteIdentifier(schema) + "." + pq.QuoteIdentifier(name)
}

// QuoteRelation returns the quoted name of a relation, with the schema if the statement names one.
func QuoteRelation(rel *pgquery.RangeVar) string {
	return QuoteQualified(rel.GetSchemaname(), rel.GetRelname())
}
