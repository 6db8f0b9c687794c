package history

import (
	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/script/syntax"
)

// A TableName is a table's name with its schema.
type TableName struct{ Schema, Name string }

func (t TableName) String() string { return t.Schema + "." + t.Name }

func (t TableName) Quoted() string {
	return pq.QuoteIdentifier(t.Schema) + "." + pq.QuoteIdentifier(t.Name)
}

func (t TableName) DisplayName() string {
	if t.Schema == "" {
		return syntax.QuoteIfNeeded(t.Name)
	}
	return syntax.QuoteIfNeeded(t.Schema) + "." + syntax.QuoteIfNeeded(t.Name)
}

// Suffix is appended to the version table's name for the history table's.
const Suffix = "_history"

// ExternalToolSuffix is appended to the version table's name for the history table of external tools.
const ExternalToolSuffix = "_exec_history"
