// Package locks has the table of the locks that statements take on tables: Of returns the mode for
// each table, by the statement's form and the schema that the files define.
//
// The table follows PostgreSQL 14 to 18. A test runs every form on a server and compares the table
// with pg_locks. Locks on indexes, sequences and catalogs are not part of it. Package statements
// applies the rules of migrator check to the locks.
package locks

import pgquery "github.com/pganalyze/pg_query_go/v6"

// A Mode is a mode of a table lock, from the weakest to the strongest.
type Mode int

// The modes, as in PostgreSQL's manual, "Explicit Locking".
const (
	None Mode = iota
	AccessShare
	RowShare
	RowExclusive
	ShareUpdateExclusive
	Share
	ShareRowExclusive
	Exclusive
	AccessExclusive
)

var names = [...]string{"", "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"}

// String returns the mode as LOCK TABLE spells it.
func (m Mode) String() string { return names[m] }

// BlocksWrites reports whether INSERT, UPDATE and DELETE wait for the lock.
func (m Mode) BlocksWrites() bool { return m >= Share }

// BlocksReads reports whether SELECT waits for the lock.
func (m Mode) BlocksReads() bool { return m == AccessExclusive }

// Blocks names what waits for the lock.
func (m Mode) Blocks() string {
	switch {
	case m.BlocksReads():
		return "reads and writes"
	case m.BlocksWrites():
		return "writes"
	case m == ShareUpdateExclusive:
		return "VACUUM, index builds and other schema changes"
	case m == AccessShare:
		return "only ACCESS EXCLUSIVE, which most schema changes take"
	}
	return "schema changes"
}

// explicitMode returns the mode of a LOCK TABLE statement. The parser's numbers are those of Mode.
func explicitMode(s *pgquery.LockStmt) Mode { return Mode(s.Mode) }
