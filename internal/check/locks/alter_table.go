package locks

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/check/model"
)

// commandModes are the modes of ALTER TABLE's forms that do not take ACCESS EXCLUSIVE.
var commandModes = map[pgquery.AlterTableType]Mode{
	pgquery.AlterTableType_AT_SetStatistics:      ShareUpdateExclusive,
	pgquery.AlterTableType_AT_SetOptions:         ShareUpdateExclusive,
	pgquery.AlterTableType_AT_ResetOptions:       ShareUpdateExclusive,
	pgquery.AlterTableType_AT_ClusterOn:          ShareUpdateExclusive,
	pgquery.AlterTableType_AT_DropCluster:        ShareUpdateExclusive,
	pgquery.AlterTableType_AT_ValidateConstraint: ShareUpdateExclusive,
	pgquery.AlterTableType_AT_AttachPartition:    ShareUpdateExclusive,
	pgquery.AlterTableType_AT_EnableTrig:         ShareRowExclusive,
	pgquery.AlterTableType_AT_EnableAlwaysTrig:   ShareRowExclusive,
	pgquery.AlterTableType_AT_EnableReplicaTrig:  ShareRowExclusive,
	pgquery.AlterTableType_AT_EnableTrigAll:      ShareRowExclusive,
	pgquery.AlterTableType_AT_EnableTrigUser:     ShareRowExclusive,
	pgquery.AlterTableType_AT_DisableTrig:        ShareRowExclusive,
	pgquery.AlterTableType_AT_DisableTrigAll:     ShareRowExclusive,
	pgquery.AlterTableType_AT_DisableTrigUser:    ShareRowExclusive,
}

// exclusiveOptions are the storage parameters whose change takes ACCESS EXCLUSIVE.
var exclusiveOptions = map[string]bool{"user_catalog_table": true, "security_barrier": true, "security_invoker": true, "check_option": true}

// CommandMode returns the mode that one form of ALTER TABLE takes on its table.
func CommandMode(cmd *pgquery.AlterTableCmd) Mode {
	switch cmd.GetSubtype() {
	case pgquery.AlterTableType_AT_SetRelOptions, pgquery.AlterTableType_AT_ResetRelOptions:
		for _, o := range cmd.GetDef().GetList().GetItems() {
			if exclusiveOptions[strings.ToLower(o.GetDefElem().GetDefname())] {
				return AccessExclusive
			}
		}
		return ShareUpdateExclusive
	case pgquery.AlterTableType_AT_AddConstraint:
		if cmd.GetDef().GetConstraint().GetContype() == pgquery.ConstrType_CONSTR_FOREIGN {
			return ShareRowExclusive
		}
	case pgquery.AlterTableType_AT_DetachPartition:
		if cmd.GetDef().GetPartitionCmd().GetConcurrent() {
			return ShareUpdateExclusive
		}
	case pgquery.AlterTableType_AT_DetachPartitionFinalize:
		return ShareUpdateExclusive
	}
	if m, weaker := commandModes[cmd.GetSubtype()]; weaker {
		return m
	}
	return AccessExclusive
}

// ownOnly are the forms that are not applied to partitions and child tables.
var ownOnly = map[pgquery.AlterTableType]bool{
	pgquery.AlterTableType_AT_AttachPartition: true, pgquery.AlterTableType_AT_DetachPartition: true, pgquery.AlterTableType_AT_DetachPartitionFinalize: true,
	pgquery.AlterTableType_AT_ChangeOwner: true, pgquery.AlterTableType_AT_SetRelOptions: true, pgquery.AlterTableType_AT_ResetRelOptions: true,
	pgquery.AlterTableType_AT_ReplicaIdentity: true, pgquery.AlterTableType_AT_EnableRowSecurity: true, pgquery.AlterTableType_AT_DisableRowSecurity: true,
	pgquery.AlterTableType_AT_ForceRowSecurity: true, pgquery.AlterTableType_AT_NoForceRowSecurity: true, pgquery.AlterTableType_AT_ClusterOn: true, pgquery.AlterTableType_AT_DropCluster: true,
	pgquery.AlterTableType_AT_AddInherit: true, pgquery.AlterTableType_AT_DropInherit: true, pgquery.AlterTableType_AT_SetTableSpace: true, pgquery.AlterTableType_AT_SetAccessMethod: true,
	pgquery.AlterTableType_AT_SetLogged: true, pgquery.AlterTableType_AT_SetUnLogged: true,
}

func alterTable(l Locks, st *pgquery.AlterTableStmt, s *model.Schema) {
	switch st.Objtype {
	case pgquery.ObjectType_OBJECT_TABLE, pgquery.ObjectType_OBJECT_VIEW, pgquery.ObjectType_OBJECT_MATVIEW:
	default:
		return
	}
	t, mode, children := s.Table(st.Relation), None, false
	for _, n := range st.Cmds {
		cmd := n.GetAlterTableCmd()
		mode = max(mode, CommandMode(cmd))
		children = children || !ownOnly[cmd.GetSubtype()]
	}
	addTree(l, t, mode, children && st.Relation.GetInh())
	for _, n := range st.Cmds {
		related(l, t, n.GetAlterTableCmd(), st.Relation, s)
	}
}

// related adds the locks on the other tables that a form of ALTER TABLE affects.
func related(l Locks, t *model.Table, cmd *pgquery.AlterTableCmd, rel *pgquery.RangeVar, s *model.Schema) {
	switch cmd.GetSubtype() {
	case pgquery.AlterTableType_AT_AddColumn, pgquery.AlterTableType_AT_AddConstraint:
		foreignKeys(l, cmd.Def, rel, s)
	case pgquery.AlterTableType_AT_ValidateConstraint:
		if c := t.Constraint(cmd.Name); c != nil {
			l.add(c.Target, RowShare)
		}
	case pgquery.AlterTableType_AT_DropConstraint:
		if c := t.Constraint(cmd.Name); c != nil {
			l.add(c.Target, AccessExclusive)
		}
	case pgquery.AlterTableType_AT_DropColumn, pgquery.AlterTableType_AT_AlterColumnType:
		for _, c := range t.Constraints {
			for _, column := range c.Columns {
				if column == cmd.Name {
					l.add(c.Target, AccessExclusive)
				}
			}
		}
	case pgquery.AlterTableType_AT_AttachPartition:
		addTree(l, s.Table(cmd.Def.GetPartitionCmd().GetName()), AccessExclusive, true)
		l.add(t.Default(), AccessExclusive)
	case pgquery.AlterTableType_AT_DetachPartition:
		mode := AccessExclusive
		if cmd.Def.GetPartitionCmd().GetConcurrent() {
			mode = ShareUpdateExclusive
		}
		l.add(s.Table(cmd.Def.GetPartitionCmd().GetName()), mode)
		if d := t.Default(); d != nil && mode == AccessExclusive {
			l.add(d, AccessExclusive)
		}
	case pgquery.AlterTableType_AT_AddInherit:
		l.add(s.Table(cmd.Def.GetRangeVar()), ShareUpdateExclusive)
	case pgquery.AlterTableType_AT_DropInherit:
		l.add(s.Table(cmd.Def.GetRangeVar()), AccessShare)
	}
}
