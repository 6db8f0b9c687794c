package locks

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"github.com/shiplock/shiplock/internal/check/model"
	"github.com/shiplock/shiplock/internal/script/syntax"
)

// Of returns the locks that a statement takes on tables that exist before it.
func Of(n *pgquery.Node, s *model.Schema) Locks {
	l := Locks{}
	switch st := n.GetNode().(type) {
	case *pgquery.Node_AlterTableStmt:
		alterTable(l, st.AlterTableStmt, s)
	case *pgquery.Node_CreateStmt:
		createTable(l, st.CreateStmt, s)
	case *pgquery.Node_IndexStmt:
		mode := Share
		if st.IndexStmt.Concurrent {
			mode = ShareUpdateExclusive
		}
		addTree(l, s.Table(st.IndexStmt.Relation), mode, st.IndexStmt.Relation.GetInh())
	case *pgquery.Node_DropStmt:
		drop(l, st.DropStmt, s)
	case *pgquery.Node_ReindexStmt:
		reindex(l, st.ReindexStmt, s)
	case *pgquery.Node_TruncateStmt:
		for _, r := range st.TruncateStmt.Relations {
			addTree(l, s.Table(r.GetRangeVar()), AccessExclusive, r.GetRangeVar().GetInh())
		}
		if st.TruncateStmt.Behavior == pgquery.DropBehavior_DROP_CASCADE {
			addReferencing(l, s)
		}
	case *pgquery.Node_RenameStmt:
		rename(l, st.RenameStmt, s)
	case *pgquery.Node_AlterObjectSchemaStmt:
		l.add(s.Table(st.AlterObjectSchemaStmt.Relation), AccessExclusive)
	case *pgquery.Node_LockStmt:
		for _, r := range st.LockStmt.Relations {
			addTree(l, s.Table(r.GetRangeVar()), explicitMode(st.LockStmt), r.GetRangeVar().GetInh())
		}
	case *pgquery.Node_VacuumStmt:
		vacuum(l, st.VacuumStmt, s)
	case *pgquery.Node_ClusterStmt:
		l.add(s.Table(st.ClusterStmt.Relation), AccessExclusive)
	case *pgquery.Node_RefreshMatViewStmt:
		mode := AccessExclusive
		if st.RefreshMatViewStmt.Concurrent {
			mode = Exclusive
		}
		view := s.Table(st.RefreshMatViewStmt.Relation)
		l.add(view, mode)
		for _, t := range view.Reads {
			l.add(t, AccessShare)
		}
	case *pgquery.Node_CreateTrigStmt:
		l.add(s.Table(st.CreateTrigStmt.Relation), ShareRowExclusive)
		l.add(s.Table(st.CreateTrigStmt.Constrrel), AccessShare)
	case *pgquery.Node_RuleStmt:
		l.add(s.Table(st.RuleStmt.Relation), AccessExclusive)
		addQuery(l, n, s)
	case *pgquery.Node_CreatePolicyStmt:
		addQuery(l, n, s)
		l.add(s.Table(st.CreatePolicyStmt.Table), AccessExclusive)
	case *pgquery.Node_AlterPolicyStmt:
		addQuery(l, n, s)
		l.add(s.Table(st.AlterPolicyStmt.Table), AccessExclusive)
	case *pgquery.Node_CommentStmt:
		comment(l, st.CommentStmt, s)
	case *pgquery.Node_CreateStatsStmt:
		for _, r := range st.CreateStatsStmt.Relations {
			l.add(s.Table(r.GetRangeVar()), ShareUpdateExclusive)
		}
	case *pgquery.Node_CreatePublicationStmt:
		for _, o := range st.CreatePublicationStmt.Pubobjects {
			l.add(s.Table(o.GetPublicationObjSpec().GetPubtable().GetRelation()), ShareUpdateExclusive)
		}
	case *pgquery.Node_CopyStmt:
		mode := AccessShare
		if st.CopyStmt.IsFrom {
			mode = RowExclusive
		}
		l.add(s.Table(st.CopyStmt.Relation), mode)
		addQuery(l, st.CopyStmt.Query, s)
	case *pgquery.Node_ViewStmt:
		addQuery(l, st.ViewStmt.Query, s)
		if st.ViewStmt.Replace {
			if t := s.Table(st.ViewStmt.View); t.Known {
				l.add(t, AccessExclusive)
			}
		}
	case *pgquery.Node_CreateTableAsStmt:
		addQuery(l, st.CreateTableAsStmt.Query, s)
	case *pgquery.Node_InsertStmt, *pgquery.Node_UpdateStmt, *pgquery.Node_DeleteStmt, *pgquery.Node_MergeStmt, *pgquery.Node_SelectStmt:
		addQuery(l, n, s)
	}
	return l
}

// addReferencing adds the tables whose foreign keys reference a table that is locked already, as
// TRUNCATE CASCADE does.
func addReferencing(l Locks, s *model.Schema) {
	for changed := true; changed; {
		changed = false
		for _, t := range s.Tables() {
			for _, c := range t.Constraints {
				if c.Target != nil && l[c.Target] == AccessExclusive && l[t] < AccessExclusive {
					l.add(t, AccessExclusive)
					changed = true
				}
			}
		}
	}
}

func createTable(l Locks, st *pgquery.CreateStmt, s *model.Schema) {
	for _, parent := range st.InhRelations {
		p := s.Table(parent.GetRangeVar())
		if st.Partbound == nil {
			l.add(p, ShareUpdateExclusive)
			continue
		}
		l.add(p, AccessExclusive)
		l.add(p.Default(), AccessExclusive)
		for _, c := range p.Constraints { // the partition gets the foreign keys of its parent
			l.add(c.Target, ShareRowExclusive)
		}
	}
	for _, e := range append(st.TableElts, st.Constraints...) {
		if like := e.GetTableLikeClause(); like != nil {
			l.add(s.Table(like.Relation), AccessShare)
		}
		foreignKeys(l, e, st.Relation, s)
	}
}

func drop(l Locks, st *pgquery.DropStmt, s *model.Schema) {
	for _, o := range st.Objects {
		names := o.GetList().GetItems()
		switch st.RemoveType {
		case pgquery.ObjectType_OBJECT_TABLE:
			t := s.Table(syntax.RangeOf(names))
			addTree(l, t, AccessExclusive, true)
			for _, p := range t.Parents {
				l.add(p, AccessExclusive)
				l.add(p.Default(), AccessExclusive)
			}
			for _, c := range t.Constraints {
				l.add(c.Target, AccessExclusive)
			}
			if st.Behavior == pgquery.DropBehavior_DROP_CASCADE {
				for _, other := range s.Tables() {
					for _, c := range other.Constraints {
						if c.Target == t {
							l.add(other, AccessExclusive)
						}
					}
				}
			}
		case pgquery.ObjectType_OBJECT_VIEW, pgquery.ObjectType_OBJECT_MATVIEW:
			l.add(s.Table(syntax.RangeOf(names)), AccessExclusive)
		case pgquery.ObjectType_OBJECT_INDEX:
			mode := AccessExclusive
			if st.Concurrent {
				mode = ShareUpdateExclusive
			}
			if ix := s.Index(names); ix != nil {
				addTree(l, ix.Table, mode, true)
			}
		case pgquery.ObjectType_OBJECT_TRIGGER, pgquery.ObjectType_OBJECT_RULE, pgquery.ObjectType_OBJECT_POLICY:
			if len(names) > 1 {
				l.add(s.Table(syntax.RangeOf(names[:len(names)-1])), AccessExclusive)
			}
		}
	}
}

func reindex(l Locks, st *pgquery.ReindexStmt, s *model.Schema) {
	mode := Share
	if syntax.HasOption(st.Params, "concurrently") {
		mode = ShareUpdateExclusive
	}
	switch st.Kind {
	case pgquery.ReindexObjectType_REINDEX_OBJECT_TABLE:
		l.add(s.Table(st.Relation), mode)
	case pgquery.ReindexObjectType_REINDEX_OBJECT_INDEX:
		if ix := indexOf(st.Relation, s); ix != nil {
			l.add(ix.Table, mode)
		}
	}
}

// indexOf returns the index with a relation's name, or nil.
func indexOf(rel *pgquery.RangeVar, s *model.Schema) *model.Index {
	name := []*pgquery.Node{pgquery.MakeStrNode(rel.GetRelname())}
	if rel.GetSchemaname() != "" {
		name = append([]*pgquery.Node{pgquery.MakeStrNode(rel.GetSchemaname())}, name...)
	}
	return s.Index(name)
}

func rename(l Locks, st *pgquery.RenameStmt, s *model.Schema) {
	switch st.RenameType {
	case pgquery.ObjectType_OBJECT_TABLE, pgquery.ObjectType_OBJECT_VIEW, pgquery.ObjectType_OBJECT_MATVIEW,
		pgquery.ObjectType_OBJECT_TRIGGER, pgquery.ObjectType_OBJECT_RULE, pgquery.ObjectType_OBJECT_POLICY:
		l.add(s.Table(st.Relation), AccessExclusive)
	case pgquery.ObjectType_OBJECT_COLUMN, pgquery.ObjectType_OBJECT_TABCONSTRAINT:
		addTree(l, s.Table(st.Relation), AccessExclusive, st.Relation.GetInh())
	}
}

func vacuum(l Locks, st *pgquery.VacuumStmt, s *model.Schema) {
	mode := ShareUpdateExclusive
	if syntax.HasOption(st.Options, "full") {
		mode = AccessExclusive
	}
	for _, r := range st.Rels {
		l.add(s.Table(r.GetVacuumRelation().GetRelation()), mode)
	}
}

func comment(l Locks, st *pgquery.CommentStmt, s *model.Schema) {
	names := st.Object.GetList().GetItems()
	switch st.Objtype {
	case pgquery.ObjectType_OBJECT_TABLE, pgquery.ObjectType_OBJECT_VIEW, pgquery.ObjectType_OBJECT_MATVIEW:
		l.add(s.Table(syntax.RangeOf(names)), ShareUpdateExclusive)
	case pgquery.ObjectType_OBJECT_COLUMN, pgquery.ObjectType_OBJECT_TABCONSTRAINT, pgquery.ObjectType_OBJECT_TRIGGER:
		if len(names) > 1 {
			l.add(s.Table(syntax.RangeOf(names[:len(names)-1])), ShareUpdateExclusive)
		}
	}
}

// addQuery adds the locks of a query: those of its target, and of the tables that it reads.
func addQuery(l Locks, n *pgquery.Node, s *model.Schema) {
	if n.GetNode() == nil {
		return
	}
	ctes := map[string]bool{}
	syntax.WalkNodes(n, func(m proto.Message) {
		if cte, ok := m.(*pgquery.CommonTableExpr); ok {
			ctes[cte.Ctename] = true
		}
	})
	table := func(rel *pgquery.RangeVar) *model.Table {
		if rel == nil || rel.Schemaname == "" && ctes[rel.Relname] {
			return nil
		}
		return s.Table(rel)
	}
	targets := map[*pgquery.RangeVar]bool{}
	syntax.WalkNodes(n, func(m proto.Message) {
		switch q := m.(type) {
		case *pgquery.InsertStmt:
			l.add(table(q.Relation), RowExclusive)
			targets[q.Relation] = true
		case *pgquery.UpdateStmt:
			addTree(l, table(q.Relation), RowExclusive, true)
			targets[q.Relation] = true
		case *pgquery.DeleteStmt:
			addTree(l, table(q.Relation), RowExclusive, true)
			targets[q.Relation] = true
		case *pgquery.MergeStmt:
			addTree(l, table(q.Relation), RowExclusive, true)
			targets[q.Relation] = true
		case *pgquery.SelectStmt:
			targets[q.GetIntoClause().GetRel()] = true
			if len(q.LockingClause) > 0 {
				for _, from := range q.FromClause {
					l.add(table(from.GetRangeVar()), RowShare)
				}
			}
		case *pgquery.RuleStmt:
			targets[q.Relation] = true
		case *pgquery.CreatePolicyStmt:
			targets[q.Table] = true
		case *pgquery.AlterPolicyStmt:
			targets[q.Table] = true
		case *pgquery.RangeVar:
			if !targets[q] && !strings.HasPrefix(q.Schemaname, "pg_") && q.Schemaname != "information_schema" && !strings.HasPrefix(q.Relname, "pg_") {
				addTree(l, table(q), AccessShare, q.Inh)
			}
		}
	})
}
