package postgres

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// walkNodes calls see for every node of a statement, including its WITH queries and subqueries.
func walkNodes(n *pgquery.Node, see func(proto.Message)) {
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
