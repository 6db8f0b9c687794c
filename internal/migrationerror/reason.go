package migrationerror

import (
	"time"
)

// A Cause is the kind of a Reason, if code depends on it.
type Cause int

const (
	// OtherCause is every cause without a kind of its own; Reason.Causes describes it.
	OtherCause Cause = iota
	// NewColumnNotNull means that a new column is NOT NULL and the existing rows have no value.
	NewColumnNotNull
	// ExtensionDenied means that only a superuser may create the extension; see Reason.Fix.
	ExtensionDenied
	// StatementCanceled means that another session canceled the statement; no timeout did.
	StatementCanceled
	// TimeoutInFile means that the file sets the exceeded timeout; see Reason.Setting.
	TimeoutInFile
	// TimeoutOption means that Options.StatementTimeout was exceeded; see Reason.Limit.
	TimeoutOption
	// VersionTableDropped means that the version or history table no longer exists after the
	// statements of the file.
	VersionTableDropped
	// SessionEnded means that the server did not restart: only the session was ended, or the
	// connection closed.
	SessionEnded
	// SessionTerminated is SessionEnded with pg_terminate_backend.
	SessionTerminated
	// DatabaseUnreachable means that no connection could be established after the connection was
	// lost; see Reason.ReconnectErr.
	DatabaseUnreachable
)

// Reason is the cause of a failed migration, as found on the server after the rollback. It contains
// key values, never whole rows.
type Reason struct {
	Cause  Cause
	Causes []string // full sentences
	// Query lists all affected rows or objects.
	Query string
	// Fix is the SQL that resolves the problem. FixRole is the role that must run it, if it is not
	// the current role.
	Fix, FixRole string
	// Setting is the name of the exceeded timeout setting if Cause is TimeoutInFile.
	Setting string
	// Limit is the exceeded timeout if Cause is TimeoutOption.
	Limit time.Duration
	// ReconnectErr is set if Cause is DatabaseUnreachable.
	ReconnectErr error
	// External reports that the existing object was not created by a migration.
	External bool
	// LaterFile is the pending migration file that creates the missing object.
	LaterFile string
}
