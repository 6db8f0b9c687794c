package script

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// controlOf returns whether a statement begins or ends a transaction. Savepoints do neither.
func controlOf(n *pgquery.Node) control {
	t := n.GetTransactionStmt()
	if t == nil {
		return ControlNone
	}
	switch t.Kind {
	case pgquery.TransactionStmtKind_TRANS_STMT_BEGIN, pgquery.TransactionStmtKind_TRANS_STMT_START:
		return controlBegin
	case pgquery.TransactionStmtKind_TRANS_STMT_COMMIT, pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK:
		if t.Chain {
			return controlChain
		}
		return controlEnd
	case pgquery.TransactionStmtKind_TRANS_STMT_PREPARE:
		return controlEnd
	}
	return ControlNone
}

// setsTransaction reports whether a statement is SET TRANSACTION, which must precede any query.
func setsTransaction(n *pgquery.Node) bool {
	set := n.GetVariableSetStmt()
	return set.GetKind() == pgquery.VariableSetKind_VAR_SET_MULTI && set.GetName() == "TRANSACTION"
}

// makesReadOnly reports whether a statement is BEGIN READ ONLY or SET TRANSACTION READ ONLY.
func makesReadOnly(n *pgquery.Node) bool {
	return HasOption(n.GetTransactionStmt().GetOptions(), "transaction_read_only") ||
		HasOption(n.GetVariableSetStmt().GetArgs(), "transaction_read_only")
}

func setsRole(n *pgquery.Node) bool {
	name := n.GetVariableSetStmt().GetName()
	return name == "role" || name == "session_authorization"
}

// dropsLanguage reports whether a statement may drop plpgsql, which statement markers need.
func dropsLanguage(n *pgquery.Node) bool {
	kind := n.GetDropStmt().GetRemoveType()
	return kind == pgquery.ObjectType_OBJECT_EXTENSION || kind == pgquery.ObjectType_OBJECT_LANGUAGE
}

// refusesTransaction reports whether PostgreSQL calls PreventInTransactionBlock for a statement.
// Conditions that the SQL does not show, such as a partitioned table in CLUSTER or REINDEX, require
// the directive.
func refusesTransaction(n *pgquery.Node) bool {
	switch s := n.Node.(type) {
	case *pgquery.Node_IndexStmt:
		return s.IndexStmt.Concurrent
	case *pgquery.Node_DropStmt:
		return s.DropStmt.Concurrent
	case *pgquery.Node_ReindexStmt:
		return reindexRefuses(s.ReindexStmt)
	case *pgquery.Node_VacuumStmt:
		return s.VacuumStmt.IsVacuumcmd
	case *pgquery.Node_ClusterStmt:
		return s.ClusterStmt.Relation == nil
	case *pgquery.Node_AlterTableStmt:
		return DetachesConcurrently(s.AlterTableStmt)
	case *pgquery.Node_AlterDatabaseStmt:
		return HasOption(s.AlterDatabaseStmt.Options, "tablespace")
	case *pgquery.Node_CreatedbStmt, *pgquery.Node_DropdbStmt,
		*pgquery.Node_CreateTableSpaceStmt, *pgquery.Node_DropTableSpaceStmt,
		*pgquery.Node_AlterSystemStmt,
		*pgquery.Node_CreateSubscriptionStmt, *pgquery.Node_AlterSubscriptionStmt, *pgquery.Node_DropSubscriptionStmt:
		return true
	case *pgquery.Node_TransactionStmt:
		return s.TransactionStmt.Kind == pgquery.TransactionStmtKind_TRANS_STMT_COMMIT_PREPARED ||
			s.TransactionStmt.Kind == pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK_PREPARED
	case *pgquery.Node_DiscardStmt:
		return s.DiscardStmt.Target == pgquery.DiscardMode_DISCARD_ALL
	}
	return false
}

func reindexRefuses(s *pgquery.ReindexStmt) bool {
	switch s.Kind {
	case pgquery.ReindexObjectType_REINDEX_OBJECT_SCHEMA,
		pgquery.ReindexObjectType_REINDEX_OBJECT_SYSTEM,
		pgquery.ReindexObjectType_REINDEX_OBJECT_DATABASE:
		return true
	}
	return HasOption(s.Params, "concurrently")
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

// HasOption reports whether a list of options contains a name.
func HasOption(options []*pgquery.Node, name string) bool {
	for _, n := range options {
		if strings.EqualFold(n.GetDefElem().GetDefname(), name) {
			return true
		}
	}
	return false
}
