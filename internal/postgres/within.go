package postgres

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// within calls for every DELETE and MERGE of a statement, also those of its WITH.
func within(n *pgquery.Node, deletes func(*pgquery.DeleteStmt), merges func(*pgquery.MergeStmt)) {
	var walk func(protoreflect.Message)
	walk = func(m protoreflect.Message) {
		switch s := m.Interface().(type) {
		case *pgquery.DeleteStmt:
			deletes(s)
		case *pgquery.MergeStmt:
			merges(s)
		}
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
