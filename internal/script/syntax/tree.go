package syntax

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// RangeOf returns a name in the list of a DROP.
func RangeOf(name []*pgquery.Node) *pgquery.RangeVar {
	rel := &pgquery.RangeVar{}
	if n := len(name); n > 0 {
		rel.Relname = name[n-1].GetString_().GetSval()
		if n > 1 {
			rel.Schemaname = name[n-2].GetString_().GetSval()
		}
	}
	return rel
}

// WalkNodes calls see for every node of a statement, including its WITH queries and subqueries.
func WalkNodes(n *pgquery.Node, see func(proto.Message)) {
	var walk func(protoreflect.Message)
	walk = func(m protoreflect.Message) {
		see(m.Interface())
		m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			switch {
			case field.Message() == nil:
			case field.IsList():
				for i := range v.List().Len() {
					walk(v.List().Get(i).Message())
				}
			default:
				walk(v.Message())
			}
			return true
		})
	}
	walk(n.ProtoReflect())
}
