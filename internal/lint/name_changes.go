package lint

import (
	"regexp"
	"slices"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"github.com/shiplock/shiplock/internal/script/syntax"
)

// trackNames records the objects that a statement creates, moves and renames.
func (l *destructiveChanges) trackNames(n *pgquery.Node) {
	switch s := n.Node.(type) {
	case *pgquery.Node_CreateStmt:
		l.create(s.CreateStmt.Relation, "r", s.CreateStmt.IfNotExists)
	case *pgquery.Node_CreateForeignTableStmt:
		l.create(s.CreateForeignTableStmt.BaseStmt.GetRelation(), "f", s.CreateForeignTableStmt.BaseStmt.GetIfNotExists())
	case *pgquery.Node_CreateTableAsStmt:
		kind := "r"
		if s.CreateTableAsStmt.Objtype == pgquery.ObjectType_OBJECT_MATVIEW {
			kind = "m"
		}
		l.create(s.CreateTableAsStmt.Into.GetRel(), kind, s.CreateTableAsStmt.IfNotExists)
	case *pgquery.Node_SelectStmt:
		if into := s.SelectStmt.IntoClause.GetRel(); into != nil {
			l.create(into, "r", false)
		}
	case *pgquery.Node_ViewStmt:
		if rel, _ := l.find(s.ViewStmt.View); rel == nil || !s.ViewStmt.Replace {
			l.create(s.ViewStmt.View, "v", false)
		}
	case *pgquery.Node_CreateSchemaStmt:
		l.newSchema(s.CreateSchemaStmt)
	case *pgquery.Node_RenameStmt:
		l.rename(s.RenameStmt)
	case *pgquery.Node_AlterObjectSchemaStmt:
		if rel := s.AlterObjectSchemaStmt.Relation; rel != nil {
			l.move(rel, s.AlterObjectSchemaStmt.Newschema, "")
		} else {
			l.moved = true
			l.Uncertain = l.Uncertain || s.AlterObjectSchemaStmt.ObjectType == pgquery.ObjectType_OBJECT_EXTENSION
		}
	case *pgquery.Node_AlterTableStmt:
		l.alter(s.AlterTableStmt)
	case *pgquery.Node_DropStmt:
		l.trackDrop(s.DropStmt)
	case *pgquery.Node_VariableSetStmt:
		l.trackSet(s.VariableSetStmt)
	case *pgquery.Node_AlterRoleSetStmt, *pgquery.Node_AlterDatabaseSetStmt, *pgquery.Node_CreateExtensionStmt, *pgquery.Node_AlterExtensionStmt,
		*pgquery.Node_AlterExtensionContentsStmt, *pgquery.Node_DoStmt, *pgquery.Node_CallStmt, *pgquery.Node_ExecuteStmt, *pgquery.Node_ImportForeignSchemaStmt:
		l.Uncertain = true
	case *pgquery.Node_DiscardStmt:
		l.SearchPath = l.InitialPath
	case *pgquery.Node_TransactionStmt:
		k := s.TransactionStmt.Kind
		l.Uncertain = l.Uncertain || k == pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK || k == pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO
	case *pgquery.Node_CreateEnumStmt:
		l.types[syntax.QuoteName(s.CreateEnumStmt.TypeName)] = true
	case *pgquery.Node_CreateDomainStmt:
		l.types[syntax.QuoteName(s.CreateDomainStmt.Domainname)] = true
	case *pgquery.Node_CreateRangeStmt:
		l.types[syntax.QuoteName(s.CreateRangeStmt.TypeName)] = true
	case *pgquery.Node_CompositeTypeStmt:
		l.types[syntax.QuoteRelation(s.CompositeTypeStmt.Typevar)] = true
	case *pgquery.Node_CreateFunctionStmt:
		l.newFunction(s.CreateFunctionStmt)
	}
	l.markChangedTables(n)
}

// markChangedTables marks the tables whose rows a statement changes, including in its WITH.
func (l *destructiveChanges) markChangedTables(n *pgquery.Node) {
	note := func(rel *pgquery.RangeVar) {
		if r, _ := l.find(rel); r != nil {
			r.modified = true
		}
	}
	syntax.WalkNodes(n, func(m proto.Message) {
		switch s := m.(type) {
		case *pgquery.InsertStmt:
			note(s.Relation)
		case *pgquery.UpdateStmt:
			note(s.Relation)
		case *pgquery.MergeStmt:
			note(s.Relation)
		case *pgquery.DeleteStmt:
			note(s.Relation)
		case *pgquery.CopyStmt:
			if s.IsFrom {
				note(s.Relation)
			}
		}
	})
}

func (l *destructiveChanges) newSchema(s *pgquery.CreateSchemaStmt) {
	name := s.Schemaname
	if name == "" {
		name = s.Authrole.GetRolename()
	}
	l.createSchema(name)
	path := l.SearchPath
	l.SearchPath = append([]string{name}, path...)
	for _, n := range s.SchemaElts {
		l.trackNames(n)
	}
	l.SearchPath = path
}

// relationKinds are the object types of RENAME and SET SCHEMA that PostgreSQL accepts for
// another kind of relation.
var relationKinds = []pgquery.ObjectType{pgquery.ObjectType_OBJECT_TABLE, pgquery.ObjectType_OBJECT_FOREIGN_TABLE, pgquery.ObjectType_OBJECT_VIEW,
	pgquery.ObjectType_OBJECT_MATVIEW, pgquery.ObjectType_OBJECT_SEQUENCE, pgquery.ObjectType_OBJECT_INDEX}

func (l *destructiveChanges) rename(s *pgquery.RenameStmt) {
	switch {
	case s.RenameType == pgquery.ObjectType_OBJECT_SCHEMA:
		l.renameSchema(s.Subname, s.Newname)
	case s.RenameType == pgquery.ObjectType_OBJECT_COLUMN && s.Relation != nil:
		if rel, _ := l.find(s.Relation); rel != nil {
			old := rel.column(s.Subname)
			rel.setColumn(s.Newname, old)
			rel.modified = true
		}
	case s.Relation != nil && slices.Contains(relationKinds, s.RenameType):
		l.move(s.Relation, "", s.Newname)
	case s.RenameType == pgquery.ObjectType_OBJECT_TABCONSTRAINT, s.RenameType == pgquery.ObjectType_OBJECT_TRIGGER, s.RenameType == pgquery.ObjectType_OBJECT_POLICY:
	default:
		l.moved = true
	}
}

func (r *Relation) setColumn(name, now string) {
	if r.columns == nil {
		r.columns = map[string]string{}
	}
	r.columns[name] = now
}

func (l *destructiveChanges) alter(s *pgquery.AlterTableStmt) {
	rel, _ := l.find(s.Relation)
	if rel == nil || s.Objtype == pgquery.ObjectType_OBJECT_TYPE {
		return
	}
	for _, n := range s.Cmds {
		cmd := n.GetAlterTableCmd()
		switch cmd.GetSubtype() {
		case pgquery.AlterTableType_AT_AddColumn:
			if name := cmd.GetDef().GetColumnDef().GetColname(); !cmd.MissingOk {
				rel.setColumn(name, "") // no column that exists today
			}
			rel.modified = true
		case pgquery.AlterTableType_AT_DropColumn, pgquery.AlterTableType_AT_AlterColumnType:
			rel.modified = true
		case pgquery.AlterTableType_AT_AttachPartition:
			l.attach(rel, cmd.GetDef().GetPartitionCmd().GetName())
		case pgquery.AlterTableType_AT_DetachPartition:
			l.detach(rel, cmd.GetDef().GetPartitionCmd().GetName())
		case pgquery.AlterTableType_AT_AddInherit:
			l.attach(rel, nil)
			if parent, _ := l.find(cmd.GetDef().GetRangeVar()); parent != nil {
				parent.attached = append(parent.attached, rel)
			}
		case pgquery.AlterTableType_AT_DropInherit:
			if parent, _ := l.find(cmd.GetDef().GetRangeVar()); parent != nil {
				parent.detach(rel)
			}
		}
	}
}

func (l *destructiveChanges) attach(parent *Relation, name *pgquery.RangeVar) {
	if child, _ := l.find(name); name != nil && child != nil {
		parent.attached = append(parent.attached, child)
		parent.modified = true
	}
}

func (l *destructiveChanges) detach(parent *Relation, name *pgquery.RangeVar) {
	if child, _ := l.find(name); child != nil {
		parent.detach(child)
	}
}

// detach records that the rows of a partition or child no longer belong to the table.
func (r *Relation) detach(child *Relation) {
	r.modified = true
	if i := slices.Index(r.attached, child); i >= 0 {
		r.attached = slices.Delete(r.attached, i, i+1)
	} else if !child.isCreated() {
		r.detached = append(r.detached, child.CurrentName)
	}
}

func (l *destructiveChanges) trackDrop(s *pgquery.DropStmt) {
	switch s.RemoveType {
	case pgquery.ObjectType_OBJECT_TABLE, pgquery.ObjectType_OBJECT_VIEW, pgquery.ObjectType_OBJECT_MATVIEW, pgquery.ObjectType_OBJECT_FOREIGN_TABLE:
		for _, o := range s.Objects {
			l.drop(syntax.RangeOf(o.GetList().GetItems()))
		}
	case pgquery.ObjectType_OBJECT_SCHEMA:
		for _, o := range s.Objects {
			name := o.GetString_().GetSval()
			delete(l.CurrentSchemas, name)
			delete(l.schemas, name)
		}
	}
}

// trackSet tracks search_path, and the role for "$user".
func (l *destructiveChanges) trackSet(s *pgquery.VariableSetStmt) {
	values := make([]string, 0, len(s.Args))
	for _, a := range s.Args {
		values = append(values, a.GetAConst().GetSval().GetSval())
	}
	resets := s.Kind == pgquery.VariableSetKind_VAR_SET_DEFAULT || s.Kind == pgquery.VariableSetKind_VAR_RESET
	switch {
	case s.Kind == pgquery.VariableSetKind_VAR_RESET_ALL, s.Name == "search_path" && resets:
		l.SearchPath = l.InitialPath
	case s.Name == "search_path" && s.Kind == pgquery.VariableSetKind_VAR_SET_VALUE:
		l.SearchPath = values
	case s.Name == "role" || s.Name == "session_authorization":
		if l.Uncertain = l.Uncertain || resets || len(values) != 1; !l.Uncertain {
			l.User = values[0]
		}
	}
}

// harmlessFunctions are often called alone, and neither rename objects nor delete data.
var harmlessFunctions = []string{"setval", "nextval", "pg_advisory_lock", "pg_advisory_xact_lock", "now", "count", "pg_sleep", "txid_current", "gen_random_uuid"}

// trackCalls records the functions that a statement calls, including those in the source of a DO
// block: only the source of a function shows whether it deletes data.
func (l *destructiveChanges) trackCalls(n *pgquery.Node, text string) {
	switch n.Node.(type) {
	case *pgquery.Node_RuleStmt, *pgquery.Node_CreateFunctionStmt, *pgquery.Node_CreateTrigStmt, *pgquery.Node_ViewStmt, *pgquery.Node_IndexStmt:
		return
	case *pgquery.Node_DoStmt:
		for _, m := range callInSource.FindAllStringSubmatch(text, -1) {
			l.addCall("DO", strings.ToLower(m[1]))
		}
		return
	}
	syntax.WalkNodes(n, func(m proto.Message) {
		call, ok := m.(*pgquery.FuncCall)
		if !ok {
			return
		}
		name := syntax.LastName(call.Funcname)
		if name == "set_config" {
			l.trackSetConfig(call)
			return
		}
		if _, top := n.Node.(*pgquery.Node_SelectStmt); top && !slices.Contains(harmlessFunctions, name) {
			l.Uncertain = true
		}
		l.addCall(statementKeyword(text), name)
	})
}

var callInSource = regexp.MustCompile(`(?i)([a-z_][a-z0-9_$]*)"?\s*\(`)

func (l *destructiveChanges) addCall(how, name string) {
	why, made := l.functions[name]
	switch {
	case made && why != "":
		l.add(DestructiveChange{Operation: how, Undetermined: why})
	case made, slices.Contains(harmlessFunctions, name):
	case slices.ContainsFunc(l.Changes, func(t DestructiveChange) bool { return t.Function == name && t.Operation == how }):
	default:
		l.add(DestructiveChange{Operation: how, Function: name})
	}
}

func (l *destructiveChanges) newFunction(s *pgquery.CreateFunctionStmt) {
	name, why := syntax.LastName(s.Funcname), ""
	if text := statementSQL(&pgquery.Node{Node: &pgquery.Node_CreateFunctionStmt{CreateFunctionStmt: s}}); text == "" || BodyIsDestructive(text) {
		why = "function " + name + " deletes rows or drops objects, which are known only at run time"
	}
	l.functions[name] = why
}

// trackSetConfig tracks set_config('search_path', …).
func (l *destructiveChanges) trackSetConfig(call *pgquery.FuncCall) {
	if len(call.Args) < 2 {
		return
	}
	name, value := call.Args[0].GetAConst().GetSval(), call.Args[1].GetAConst().GetSval()
	switch {
	case name != nil && !strings.EqualFold(name.Sval, "search_path"):
	case name != nil && value != nil:
		l.SearchPath = SplitNames(value.Sval)
	default:
		l.Uncertain = true
	}
}
