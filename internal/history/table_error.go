package history

import "errors"

// ErrNoSchema means that there is no schema for the version table.
var ErrNoSchema = errors.New("no schema of the search_path exists, so the version table has no schema")

// A TableProblem is the kind of a TableError.
type TableProblem int

const (
	// TableInTempSchema means that the tables would be temporary.
	TableInTempSchema TableProblem = iota
	// TablesElsewhere means that OtherSchema contains the tables, and Schema does not.
	TablesElsewhere
	// NoSchemaButTables means that no schema of the search_path exists, but OtherSchema contains the
	// tables.
	NoSchemaButTables
	// MigratedElsewhere means that OtherSchema contains a version table that fits the files.
	MigratedElsewhere
	// ForeignVersionTable means that another tool created the version table; see Tool.
	ForeignVersionTable
	// ForeignHistoryTable means that the history table is not Shiplock's.
	ForeignHistoryTable
	// AlteredHistoryTable means that columns of the history table were changed.
	AlteredHistoryTable
	// HiddenRows means that row security hides rows from the role.
	HiddenRows
	// InvalidVersionRow means that a row of the version table has no valid version.
	InvalidVersionRow
	// SeveralVersionRows means that the version table has more than one row.
	SeveralVersionRows
)

// TableError reports a version table or history table that cannot be used. A retry does not help.
type TableError struct {
	Problem TableProblem
	Message string // what is wrong, in one line
	Detail  string // why it is wrong, if Problem does not imply it
	// Schema and Table name the table, and VersionTable is the name of the version table in the same
	// schema. Schema is empty if no schema of the search_path exists.
	Schema, Table, VersionTable string
	// OtherSchema contains the tables if Problem is TablesElsewhere, NoSchemaButTables or
	// MigratedElsewhere. OtherDenied is set if the role has no USAGE on it.
	OtherSchema string
	OtherDenied bool
	// Role is the current role. Owner is the owner of the table, and Owned reports whether the role
	// is, or is a member of, that owner.
	Role, Owner string
	Owned       bool
	// Tool is the tool that the columns of a ForeignVersionTable indicate, or "".
	Tool string
}

func (e *TableError) Error() string { return e.Message }
