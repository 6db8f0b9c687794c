package history

import (
	"github.com/shiplock/shiplock/internal/config/versiontable"
	"github.com/shiplock/shiplock/internal/postgres"
)

// Query returns the columns and the FROM clause that read the tables; see Inspection.
func (store *Store) Query() (columns, from string) {
	schema, name, _ := versiontable.Parse(store.Opts.Table)
	switch {
	case store.Opts.resolvedTable != TableName{}:
		store.tableResolved = true
		schema, name = store.Opts.resolvedTable.Schema, store.Opts.resolvedTable.Name
	case store.tableResolved:
		schema, name = store.Table.Schema, store.Table.Name
	}
	store.Table.Name = name
	columns = postgres.InlineParams(`s.name,
			EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
				WHERE n.nspname = s.name AND c.relname = $2),
			EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
				WHERE n.nspname = s.name AND c.relname = $3),
			coalesce(pg_catalog.has_schema_privilege(n.oid, 'CREATE'), true),
			`+tableFactsSQL, schema, name, name+Suffix, name+ExternalToolSuffix)
	return columns, postgres.InlineParams(`(SELECT coalesce(nullif($1, ''), current_schema()::text) AS name) s
		LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = s.name`, schema)
}

// Destinations returns the destinations of the columns; see Inspection.
func (store *Store) Destinations() []any {
	t := &store.tables
	return []any{&t.schema, &store.VersionTableExists, &store.HistoryExists, &t.mayCreate, &t.hereJSON, &t.elsewhereJSON, &t.rails, &t.NoSchema}
}

// Finish processes the columns; see Inspection.
func (store *Store) Finish() error {
	if err := store.tables.read(store.tables.hereJSON, store.tables.elsewhereJSON); err != nil {
		return err
	}
	store.Table.Schema = store.tables.schema.String
	store.HistoryUnavailable = store.VersionTableExists && !store.HistoryExists && !store.tables.mayCreate
	return nil
}
