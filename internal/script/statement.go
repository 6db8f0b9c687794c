package script

import (
	"regexp"
	"strings"

	"github.com/shiplock/shiplock/internal/script/syntax"
	"github.com/shiplock/shiplock/internal/sqlfile"

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
	return syntax.HasOption(n.GetTransactionStmt().GetOptions(), "transaction_read_only") ||
		syntax.HasOption(n.GetVariableSetStmt().GetArgs(), "transaction_read_only")
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
		return syntax.DetachesConcurrently(s.AlterTableStmt)
	case *pgquery.Node_AlterDatabaseStmt:
		return syntax.HasOption(s.AlterDatabaseStmt.Options, "tablespace")
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
	return syntax.HasOption(s.Params, "concurrently")
}

// control is the effect of a statement on its transaction.
type control int

const (
	ControlNone control = iota
	controlBegin
	controlEnd
	controlChain // ends a transaction and begins another
)

// ScriptError reports a file that cannot be run. None of it was run.
type ScriptError = sqlfile.Error

// A Statement is one statement of a script.
type Statement struct {
	Text   string // without surrounding white space and preceding comments
	Offset int    // byte offset of Text in Script.SQL

	Control            control
	Concurrent         *pgquery.IndexStmt // CREATE INDEX CONCURRENTLY
	SetsTransaction    bool               // SET TRANSACTION, which must be first
	MayDropPlpgsql     bool               // DROP EXTENSION or DROP LANGUAGE, which may drop plpgsql
	MayCommit          bool               // CALL, or DO that matches committingCode: may commit by itself
	RefusesTransaction bool               // cannot run in a transaction
	IsCommit           bool               // COMMIT, with or without AND CHAIN
	setsRole           bool               // SET ROLE or SESSION AUTHORIZATION: the new role may lack privileges on the history table
	readOnly           bool               // makes its transaction read-only
	unparsed           bool               // not supported by the parser, which is that of one PostgreSQL release
	Node               *pgquery.Node
}

// committingCode matches statements by which a DO block ends a transaction, also in languages other
// than plpgsql; functions and plpgsql's EXECUTE cannot. It also matches a change of the role,
// because the new role may lack privileges on the history table.
var committingCode = regexp.MustCompile(`(?i)commit|rollback|\bcall\b|\brole\b|\bauthorization\b`)

// newStatement classifies one parsed statement.
func newStatement(text string, offset int, n *pgquery.Node) Statement {
	st := Statement{
		Text: text, Offset: offset, Node: n,
		Control:            controlOf(n),
		SetsTransaction:    setsTransaction(n),
		MayDropPlpgsql:     dropsLanguage(n),
		RefusesTransaction: refusesTransaction(n),
		IsCommit:           n.GetTransactionStmt().GetKind() == pgquery.TransactionStmtKind_TRANS_STMT_COMMIT,
		setsRole:           setsRole(n),
		readOnly:           makesReadOnly(n),
		MayCommit:          n.GetCallStmt() != nil || n.GetDoStmt() != nil && committingCode.MatchString(text),
	}
	if ix := n.GetIndexStmt(); ix != nil && ix.Concurrent {
		st.Concurrent = ix
	}
	return st
}

// trimStatement removes white space and comments that precede a statement, so that its position is
// that of its first word.
func trimStatement(sql string, from, to int) (offset int, text string) {
	from += sqlfile.BlankLength(sql[from:to])
	return from, strings.TrimRight(sql[from:to], " \t\r\n\f\v")
}

// TrimSemicolon returns a statement's text in the form that the parser uses.
func TrimSemicolon(text string) string {
	return strings.TrimRight(strings.TrimSuffix(text, ";"), " \t\r\n\f\v")
}

// SetsParameter reports whether a statement sets a parameter: with SET or RESET, set_config, or in
// a DO block.
func (st Statement) SetsParameter(name string) bool {
	if !strings.Contains(strings.ToLower(st.Text), name) {
		return false
	}
	switch n := st.Node; {
	case n.GetVariableSetStmt() != nil:
		return n.GetVariableSetStmt().GetName() == name
	case n.GetSelectStmt() != nil:
		return strings.Contains(strings.ToLower(st.Text), "set_config")
	}
	return st.Node.GetDoStmt() != nil
}

// Tree returns the statement's syntax tree, and parses it if a large file was split without the
// parser.
func (st Statement) Tree() *pgquery.Node {
	if st.Node.GetNode() != nil {
		return st.Node
	}
	if tree, err := pgquery.Parse(st.Text); err == nil && len(tree.Stmts) == 1 {
		return tree.Stmts[0].Stmt
	}
	return &pgquery.Node{}
}
