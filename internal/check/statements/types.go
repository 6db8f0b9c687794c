package statements

import (
	"fmt"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"github.com/shiplock/shiplock/internal/script/syntax"
)

// baseType returns the name of a type without its schema and modifiers.
func baseType(t *pgquery.TypeName) string { return syntax.LastName(t.GetNames()) }

// modifiers returns the modifiers of a type, such as 50 of varchar(50).
func modifiers(t *pgquery.TypeName) []int {
	var out []int
	for _, m := range t.GetTypmods() {
		out = append(out, int(m.GetAConst().GetIval().GetIval()))
	}
	return out
}

// typeText returns a type as SQL.
func typeText(t *pgquery.TypeName) string {
	out := baseType(t)
	if mods := modifiers(t); len(mods) > 0 {
		var texts []string
		for _, m := range mods {
			texts = append(texts, fmt.Sprint(m))
		}
		out += "(" + strings.Join(texts, ",") + ")"
	}
	return out + strings.Repeat("[]", len(t.GetArrayBounds()))
}

// isWidening reports whether the stored values of the old type are valid for the new one, so that
// PostgreSQL changes only the catalog: the old type is binary coercible to the new one, and the new
// modifier does not shorten a value.
func isWidening(old, next *pgquery.TypeName) bool {
	if old == nil || len(old.ArrayBounds) != len(next.GetArrayBounds()) {
		return false
	}
	from, to, was, is := baseType(old), baseType(next), modifiers(old), modifiers(next)
	switch {
	case from == "varchar" && to == "text", from == "text" && to == "varchar" && len(is) == 0, from == "cidr" && to == "inet":
		return true
	case from != to:
		return false
	case len(is) == 0:
		return from == "varchar" || from == "numeric" || from == "varbit" || len(was) == 0
	case len(was) == 0:
		return false
	}
	switch from {
	case "varchar", "varbit", "timestamp", "timestamptz", "time", "timetz", "interval":
		return is[0] >= was[0]
	case "numeric":
		return is[0] >= was[0] && scale(is) == scale(was)
	}
	return false
}

// scale returns the scale of a numeric type, 0 by default.
func scale(mods []int) int {
	if len(mods) > 1 {
		return mods[1]
	}
	return 0
}

// stableFunctions are PostgreSQL's functions that are usual in defaults and not volatile. A function
// of the application is volatile unless it is declared otherwise.
var stableFunctions = map[string]bool{
	"now": true, "transaction_timestamp": true, "statement_timestamp": true, "current_setting": true, "timezone": true, "to_timestamp": true,
	"date_trunc": true, "make_interval": true, "jsonb_build_object": true, "json_build_object": true, "jsonb_build_array": true, "to_jsonb": true,
	"lower": true, "upper": true, "concat": true, "coalesce": true, "md5": true, "abs": true, "to_char": true, "current_schema": true, "array_fill": true,
	"int4range": true, "int8range": true, "daterange": true, "tstzrange": true, "tsrange": true, "numrange": true, "decode": true, "repeat": true, "to_date": true,
	"txid_current": true, "pg_current_xact_id": true,
}

// volatileFunction returns the name of a volatile function that an expression calls, or "".
func volatileFunction(n *pgquery.Node) string {
	found := ""
	if n.GetNode() == nil {
		return found
	}
	syntax.WalkNodes(n, func(m proto.Message) {
		if call, ok := m.(*pgquery.FuncCall); ok {
			if name := syntax.LastName(call.Funcname); !stableFunctions[strings.ToLower(name)] {
				found = name
			}
		}
	})
	return found
}
