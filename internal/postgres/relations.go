package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// A relation is a table, view or foreign table as the statements read so far define it.
type relation struct {
	// currentName is the name in the database as "schema"."table"; empty for a relation that the
	// statements create.
	currentName string
	kind        string // pg_class.relkind; empty if unknown
	// columns maps a column name to the name in the database, which is empty for a column that the
	// statements create.
	columns map[string]string
	// modified reports whether a statement has changed its rows or columns, so that a condition may
	// find different rows now.
	modified bool
	attached []*relation // partitions and child tables that statements attach
	detached []string    // names in the database of those that statements detach
}

func (r *relation) isCreated() bool { return r.currentName == "" }

// storesRows reports whether the relation can store rows of its own.
func (r *relation) storesRows() bool { return r.kind == "" || r.kind == "r" || r.kind == "p" }

// column returns a column's name in the database; empty for a column that the statements create.
func (r *relation) column(name string) string {
	if now, moved := r.columns[name]; moved {
		return now
	}
	return name
}

// relations holds every relation of a database by name, as the statements read so far define it.
// Names are resolved by PostgreSQL's search_path rules.
type relations struct {
	schemas        map[string]map[string]*relation
	currentSchemas map[string]string // schema name in the database; empty for a schema that the statements create
	all            []*relation
	searchPath     []string
	initialPath    []string // search_path at the start of each file
	user           string
	// noDatabase is set if there is no database to query; unknown relations are then assumed to
	// exist.
	noDatabase bool
	// uncertain is set after a statement that may create or rename relations unnoticed.
	uncertain bool
}

const tempSchema = "pg_temp"

func newRelations() *relations {
	return &relations{noDatabase: true, searchPath: []string{""}, initialPath: []string{""},
		schemas: map[string]map[string]*relation{}, currentSchemas: map[string]string{}}
}

const relationsQuery = `SELECT 'path', pg_catalog.current_setting('search_path'), '', ''
UNION ALL SELECT 'user', current_user::text, '', ''
UNION ALL SELECT 'schema', nspname::text, '', '' FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
UNION ALL SELECT 'relation', n.nspname::text, c.relname::text, c.relkind::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_(toast|temp)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`

// readRelations reads the names of all relations.
func (db *DB) readRelations(ctx context.Context) (*relations, error) {
	rows, err := db.query(ctx, relationsQuery)
	if err != nil {
		return nil, db.classifyError(ctx, err)
	}
	out := newRelations()
	out.noDatabase = false
	for rows.Next() {
		var what, a, b, kind string
		if err := rows.Scan(&what, &a, &b, &kind); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		switch what {
		case "path":
			out.searchPath, out.initialPath = splitNames(a), splitNames(a)
		case "user":
			out.user = a
		case "schema":
			out.currentSchemas[a] = a
		default:
			r := &relation{currentName: quoteQualified(a, b), kind: kind}
			out.all = append(out.all, r)
			out.put(a, b, r)
		}
	}
	return out, db.classifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

// splitNames splits a list of identifiers in the format of search_path.
func splitNames(list string) []string {
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

func (n *relations) put(schema, name string, r *relation) {
	if n.schemas[schema] == nil {
		n.schemas[schema] = map[string]*relation{}
	}
	n.schemas[schema][name] = r
}

// schema returns a schema of the search_path; "$user" is the role's.
func (n *relations) schema(name string) string {
	if name == "$user" {
		return n.user
	}
	return name
}

// creationSchema returns the schema in which an unqualified name is created.
func (n *relations) creationSchema(schema string) string {
	if schema != "" || n.noDatabase {
		return schema
	}
	for _, s := range n.searchPath {
		if _, there := n.currentSchemas[n.schema(s)]; there {
			return n.schema(s)
		}
	}
	return ""
}

// find resolves a name and returns the relation and its schema, or nil.
func (n *relations) find(rel *pgquery.RangeVar) (*relation, string) {
	schema, name := rel.GetSchemaname(), rel.GetRelname()
	if strings.HasPrefix(schema, tempSchema) {
		schema = tempSchema
	}
	places := []string{schema}
	if schema == "" {
		places = append([]string{tempSchema}, n.searchPath...)
	}
	for _, s := range places {
		if r := n.schemas[n.schema(s)][name]; r != nil {
			return r, n.schema(s)
		}
	}
	if !n.noDatabase || name == "" || n.schemas[schema] != nil && n.isRemoved(schema, name) {
		return nil, ""
	}
	r := &relation{currentName: quoteQualified(schema, name)}
	n.put(schema, name, r)
	return r, schema
}

// isRemoved reports whether statements have renamed, moved or dropped the relation.
func (n *relations) isRemoved(schema, name string) bool {
	r, known := n.schemas[schema][name]
	return known && r == nil
}

// create adds a relation that a statement creates.
func (n *relations) create(rel *pgquery.RangeVar, kind string, ifNotExists bool) {
	schema := n.creationSchema(rel.GetSchemaname())
	if rel.GetRelpersistence() == "t" || strings.HasPrefix(rel.GetSchemaname(), tempSchema) {
		schema = tempSchema
	}
	if ifNotExists {
		if n.noDatabase || n.schemas[schema][rel.GetRelname()] != nil {
			return
		}
	}
	n.put(schema, rel.GetRelname(), &relation{kind: kind})
}

// move changes the schema or name of a relation; empty means unchanged.
func (n *relations) move(from *pgquery.RangeVar, schema, name string) {
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
	n.put(schema, name, r)
}

// drop removes a relation.
func (n *relations) drop(rel *pgquery.RangeVar) {
	if r, schema := n.find(rel); r != nil {
		n.schemas[schema][rel.GetRelname()] = nil
	}
}

func (n *relations) renameSchema(from, to string) {
	n.schemas[to], n.currentSchemas[to] = n.schemas[from], n.currentSchemas[from]
	delete(n.schemas, from)
	delete(n.currentSchemas, from)
}

func (n *relations) createSchema(name string) {
	if _, there := n.currentSchemas[name]; !there {
		n.currentSchemas[name] = ""
	}
}

// createdTables returns the tables that statements have created and not dropped.
func (n *relations) createdTables() []string {
	var out []string
	for schema, all := range n.schemas {
		for name, r := range all {
			if r != nil && r.isCreated() && !n.uncertain {
				out = append(out, quoteQualified(schema, name))
			}
		}
	}
	slices.Sort(out)
	return out
}

// movedRelations returns the relations that have moved into an existing schema, and the names in
// the database of those that have moved out of it or were dropped.
func (n *relations) movedRelations(schema string) (in []*relation, out []string) {
	prefix := "\x00" // a schema that the statements create contains nothing in the database
	if now := n.currentSchemas[schema]; now != "" {
		prefix = strings.TrimSuffix(quoteQualified(now, ""), `""`)
	}
	var here []*relation
	for _, r := range n.schemas[schema] {
		if r == nil {
			continue
		}
		here = append(here, r)
		if !r.isCreated() && !strings.HasPrefix(r.currentName, prefix) {
			in = append(in, r)
		}
	}
	slices.SortFunc(in, func(a, b *relation) int { return strings.Compare(a.currentName, b.currentName) })
	for _, r := range n.all {
		if strings.HasPrefix(r.currentName, prefix) && !slices.Contains(here, r) {
			out = append(out, r.currentName)
		}
	}
	return in, out
}
