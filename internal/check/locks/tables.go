package locks

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/check/model"
)

// Locks are the strongest modes of a statement's locks, by table.
type Locks map[*model.Table]Mode

func (l Locks) add(t *model.Table, m Mode) {
	if t != nil && m > l[t] {
		l[t] = m
	}
}

// addTree adds a lock on a table and, unless ONLY was given, on its partitions and child tables.
func addTree(l Locks, t *model.Table, m Mode, children bool) {
	if t == nil {
		return
	}
	l.add(t, m)
	if !children {
		return
	}
	for _, c := range t.Children {
		addTree(l, c, m, true)
	}
}

// foreignKeys adds the locks on the tables that a column or constraint references.
func foreignKeys(l Locks, e *pgquery.Node, own *pgquery.RangeVar, s *model.Schema) {
	constraints := append([]*pgquery.Node{e}, e.GetColumnDef().GetConstraints()...)
	for _, n := range constraints {
		if target := n.GetConstraint().GetPktable(); target != nil && !sameName(target, own) {
			addTree(l, s.Table(target), ShareRowExclusive, true)
		}
	}
}

func sameName(a, b *pgquery.RangeVar) bool {
	return a.GetRelname() == b.GetRelname() && a.GetSchemaname() == b.GetSchemaname()
}
