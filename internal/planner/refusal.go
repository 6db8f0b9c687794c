package planner

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// A Refusal is an error of planning that a retry does not fix. Package report explains it
// and has the advice for each cause.
type Refusal struct {
	Cause Cause

	Version   int    // of the migration, or of the database if there is no migration
	Name      string // of the migration
	File      string // of the migration
	Direction source.Direction
	// Migrations are several: those above the files, or those without a down file.
	Migrations []source.Migration

	Origin          string // of the files
	Newest          int    // version of the files
	DatabaseVersion int
	Target          int // of a rollback
	Table           string

	StatementsApplied, StatementsTotal int
	MinCompatibleVersion               uint
	NoDown                             string              // why there is no down script
	More                               int                 // other edited files
	LineEndings                        sqlfile.LineEndings // that were applied
}

// A Cause is the reason for a Refusal.
type Cause int

// The causes.
const (
	_                     Cause = iota
	Dirty                       // it is not known which statements were applied
	UpPartiallyApplied          // a rollback is wanted
	DownPartiallyApplied        // a migration is wanted
	NoFileToResume              // of a partially applied migration
	NoUpFile                    // of a pending migration
	NoDownFile                  // of a migration to roll back
	NoDownScript                // of a migration to roll back that only the history table has
	IrreversibleMigration       // to roll back
	DownFilesRequired           // by the policy, for pending migrations
	EditedFile                  // of an applied migration
	OtherLineEndings            // of the file of an applied migration
	PendingOutOfOrder           // below the database's version
	UnknownVersion              // of the database: not in the files
	UnrecordedVersion           // of the database: not in the files, nor in the history table
	DatabaseAhead               // of the files
	IncompatibleFiles           // older than the minimum compatible version
	OtherApplication            // none of the files matches
	TargetAboveDatabase         // of a rollback
	UnknownTarget               // of a rollback
)

// Error returns the problem in one line.
func (r *Refusal) Error() string {
	migration := fmt.Sprintf("version %d (%s)", r.Version, r.Name)
	statements := fmt.Sprintf("(%d of %d statements)", r.StatementsApplied, r.StatementsTotal)
	more := ""
	if r.More > 0 {
		more = fmt.Sprintf(" (and %d more)", r.More)
	}
	switch r.Cause {
	case Dirty:
		return "the database is marked dirty at version " + VersionText(r.DatabaseVersion)
	case UpPartiallyApplied:
		return fmt.Sprintf("%s is partially applied %s", migration, statements)
	case DownPartiallyApplied:
		return fmt.Sprintf("the rollback of %s is unfinished %s", migration, statements)
	case NoFileToResume:
		return fmt.Sprintf("%s is partially applied %s, and its %s file is not in %s", migration, statements, r.Direction, r.Origin)
	case NoUpFile:
		return fmt.Sprintf("version %d has a down file, %s, and no up file", r.Version, r.File)
	case NoDownFile:
		return migration + " has no down file"
	case NoDownScript:
		return fmt.Sprintf("%s cannot be rolled back here: %s", migration, r.NoDown)
	case IrreversibleMigration:
		return migration + " is irreversible"
	case DownFilesRequired:
		return "pending migrations have no down file: " + versions(r.Migrations)
	case EditedFile:
		return fmt.Sprintf("checksum mismatch: %s%s was edited after it was applied", r.File, more)
	case OtherLineEndings:
		return fmt.Sprintf("%s%s was applied with other line endings", r.File, more)
	case PendingOutOfOrder:
		return fmt.Sprintf("out of order: %s is pending, but the database is already at version %d", r.File, r.DatabaseVersion)
	case UnknownVersion:
		return fmt.Sprintf("the database is at version %d, which is not in the files in %s (newest: %d)", r.DatabaseVersion, r.Origin, r.Newest)
	case UnrecordedVersion:
		return fmt.Sprintf("the database is at version %d, which is neither in the files in %s (newest: %d) nor in the history table", r.DatabaseVersion, r.Origin, r.Newest)
	case DatabaseAhead:
		return fmt.Sprintf("the database is at version %d, ahead of the migration files (newest: %d)", r.DatabaseVersion, r.Newest)
	case IncompatibleFiles:
		return fmt.Sprintf("%s is applied and has minimum compatible version %d; the newest file is version %d", migration, r.MinCompatibleVersion, r.Newest)
	case OtherApplication:
		return fmt.Sprintf("none of the files in %s matches what was applied to this database", r.Origin)
	case TargetAboveDatabase:
		return fmt.Sprintf("the database is at version %s, below %d", VersionText(r.DatabaseVersion), r.Target)
	case UnknownTarget:
		return fmt.Sprintf("there is no version %d in %s", r.Target, r.Origin)
	}
	return "refused"
}
