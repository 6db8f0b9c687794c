package lint

import (
	"slices"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/script/syntax"
)

// A Relation is a table, view or foreign table as the statements read so far define it.
type Relation struct {
	// CurrentName is the name in the database as "schema"."table"; empty for a relation that the
	// statements create.
	CurrentName string
	Kind        string // pg_class.relkind; empty if unknown
	// columns maps a column name to the name in the database, which is empty for a column that the
	// statements create.
	columns map[string]string
	// modified reports whether a statement has changed its rows or columns, so that a condition may
	// find different rows now.
	modified bool
	attached []*Relation // partitions and child tables that statements attach
	detached []string    // names in the database of those that statements detach
}

func (r *Relation) isCreated() bool { return r.CurrentName == "" }

// storesRows reports whether the relation can store rows of its own.
func (r *Relation) storesRows() bool { return r.Kind == "" || r.Kind == "r" || r.Kind == "p" }

// column returns a column's name in the database; empty for a column that the statements create.
func (r *Relation) column(name string) string {
	if now, moved := r.columns[name]; moved {
		return now
	}
	return name
}

// Relations holds every relation of a database by name, as the statements read so far define it.
// Names are resolved by PostgreSQL's search_path rules.
type Relations struct {
	schemas        map[string]map[string]*Relation
	CurrentSchemas map[string]string // schema name in the database; empty for a schema that the statements create
	All            []*Relation
	SearchPath     []string
	InitialPath    []string // search_path at the start of each file
	User           string
	// NoDatabase is set if there is no database to query; unknown relations are then assumed to
	// exist.
	NoDatabase bool
	// Uncertain is set after a statement that may create or rename relations unnoticed.
	Uncertain bool
}

const tempSchema = "pg_temp"

// NewRelations returns relations without a database.
func NewRelations() *Relations {
	return &Relations{NoDatabase: true, SearchPath: []string{""}, InitialPath: []string{""},
		schemas: map[string]map[string]*Relation{}, CurrentSchemas: map[string]string{}}
}

// RelationsQuery lists the relations of a database, and what resolves their names.
const RelationsQuery = `SELECT 'path', pg_catalog.current_setting('search_path'), '', ''
UNION ALL SELECT 'user', current_user::text, '', ''
UNION ALL SELECT 'schema', nspname::text, '', '' FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
UNION ALL SELECT 'relation', n.nspname::text, c.relname::text, c.relkind::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_(toast|temp)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`

// SplitNames splits a list of identifiers in the format of search_path.
func SplitNames(list string) []string {
	var out []string
	var name strings.Builder
	quotes, quotedName := false, false
	flush := func() {
		text := name.String()
		if !quotedName {
			text = strings.ToLower(strings.TrimSpace(text))
		}
		if text != "" {
			out = append(out, text)
		}
		name.Reset()
		quotedName = false
	}
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"' && quotes && i+1 < len(list) && list[i+1] == '"':
			name.WriteByte('"')
			i++
		case c == '"':
			if quotes = !quotes; quotes {
				name.Reset()
				quotedName = true
			}
		case c == ',' && !quotes:
			flush()
		case quotedName && !quotes: // space after the closing quote
		default:
			name.WriteByte(c)
		}
	}
	flush()
	return out
}

// Put adds a relation, or gives it another name.
func (n *Relations) Put(schema, name string, r *Relation) {
	if n.schemas[schema] == nil {
		n.schemas[schema] = map[string]*Relation{}
	}
	n.schemas[schema][name] = r
}

// schema returns a schema of the search_path; "$user" is the role's.
func (n *Relations) schema(name string) string {
	if name == "$user" {
		return n.User
	}
	return name
}

// creationSchema returns the schema in which an unqualified name is created.
func (n *Relations) creationSchema(schema string) string {
	if schema != "" || n.NoDatabase {
		return schema
	}
	for _, s := range n.SearchPath {
		if _, there := n.CurrentSchemas[n.schema(s)]; there {
			return n.schema(s)
		}
	}
	return ""
}

// find resolves a name and returns the relation and its schema, or nil.
func (n *Relations) find(rel *pgquery.RangeVar) (*Relation, string) {
	schema, name := rel.GetSchemaname(), rel.GetRelname()
	if strings.HasPrefix(schema, tempSchema) {
		schema = tempSchema
	}
	places := []string{schema}
	if schema == "" {
		places = append([]string{tempSchema}, n.SearchPath...)
	}
	for _, s := range places {
		if r := n.schemas[n.schema(s)][name]; r != nil {
			return r, n.schema(s)
		}
	}
	if !n.NoDatabase || name == "" || n.schemas[schema] != nil && n.isRemoved(schema, name) {
		return nil, ""
	}
	r := &Relation{CurrentName: syntax.QuoteQualified(schema, name)}
	n.Put(schema, name, r)
	return r, schema
}

// isRemoved reports whether statements have renamed, moved or dropped the relation.
func (n *Relations) isRemoved(schema, name string) bool {
	r, known := n.schemas[schema][name]
	return known && r == nil
}

// create adds a relation that a statement creates.
func (n *Relations) create(rel *pgquery.RangeVar, kind string, ifNotExists bool) {
	schema := n.creationSchema(rel.GetSchemaname())
	if rel.GetRelpersistence() == "t" || strings.HasPrefix(rel.GetSchemaname(), tempSchema) {
		schema = tempSchema
	}
	if ifNotExists {
		if n.NoDatabase || n.schemas[schema][rel.GetRelname()] != nil {
			return
		}
	}
	n.Put(schema, rel.GetRelname(), &Relation{Kind: kind})
}

// move changes the schema or name of a relation; empty means unchanged.
func (n *Relations) move(from *pgquery.RangeVar, schema, name string) {
	r, old := n.find(from)
	if r == nil {
		return
	}
	if schema == "" {
		schema = old
	}
	if name == "" {
		name = from.GetRelname()
	}
	n.schemas[old][from.GetRelname()] = nil
	n.Put(schema, name, r)
}

// drop removes a relation.
func (n *Relations) drop(rel *pgquery.RangeVar) {
	if r, schema := n.find(rel); r != nil {
		n.schemas[schema][rel.GetRelname()] = nil
	}
}

func (n *Relations) renameSchema(from, to string) {
	n.schemas[to], n.CurrentSchemas[to] = n.schemas[from], n.CurrentSchemas[from]
	delete(n.schemas, from)
	delete(n.CurrentSchemas, from)
}

func (n *Relations) createSchema(name string) {
	if _, there := n.CurrentSchemas[name]; !there {
		n.CurrentSchemas[name] = ""
	}
}

// createdTables returns the tables that statements have created and not dropped.
func (n *Relations) createdTables() []string {
	var out []string
	for schema, all := range n.schemas {
		for name, r := range all {
			if r != nil && r.isCreated() && !n.Uncertain {
				out = append(out, syntax.QuoteQualified(schema, name))
			}
		}
	}
	slices.Sort(out)
	return out
}

// movedRelations returns the relations that have moved into an existing schema, and the names in
// the database of those that have moved out of it or were dropped.
func (n *Relations) movedRelations(schema string) (in []*Relation, out []string) {
	prefix := "\x00" // a schema that the statements create contains nothing in the database
	if now := n.CurrentSchemas[schema]; now != "" {
		prefix = strings.TrimSuffix(syntax.QuoteQualified(now, ""), `""`)
	}
	var here []*Relation
	for _, r := range n.schemas[schema] {
		if r == nil {
			continue
		}
		here = append(here, r)
		if !r.isCreated() && !strings.HasPrefix(r.CurrentName, prefix) {
			in = append(in, r)
		}
	}
	slices.SortFunc(in, func(a, b *Relation) int { return strings.Compare(a.CurrentName, b.CurrentName) })
	for _, r := range n.All {
		if strings.HasPrefix(r.CurrentName, prefix) && !slices.Contains(here, r) {
			out = append(out, r.CurrentName)
		}
	}
	return in, out
}
