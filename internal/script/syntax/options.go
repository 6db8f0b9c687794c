package syntax

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// HasOption reports whether a list of options contains a name.
func HasOption(options []*pgquery.Node, name string) bool {
	for _, n := range options {
		if strings.EqualFold(n.GetDefElem().GetDefname(), name) {
			return true
		}
	}
	return false
}

// DetachesConcurrently reports whether a statement is DETACH PARTITION CONCURRENTLY.
func DetachesConcurrently(s *pgquery.AlterTableStmt) bool {
	for _, n := range s.GetCmds() {
		cmd := n.GetAlterTableCmd()
		if cmd.GetSubtype() == pgquery.AlterTableType_AT_DetachPartition && cmd.GetDef().GetPartitionCmd().GetConcurrent() {
			return true
		}
	}
	return false
}
