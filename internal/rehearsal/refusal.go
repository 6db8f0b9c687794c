package rehearsal

import "fmt"

// A Cause is the reason for a Refusal.
type Cause int

// The causes.
const (
	_                   Cause = iota
	UnknownBaseline           // Version is not in the files
	UnknownStart              // Version, after which the rehearsal is to start, is not in the files
	Dirty                     // the database is marked dirty at version At
	HasVersion                // the database has version At already
	OtherNewestRecorded       // At, not Version, is the newest applied version in the history table
)

// A Refusal is a rehearsal or a baseline that cannot start.
type Refusal struct {
	Cause   Cause
	Version int    // the version that was given
	At      int    // the version of the database
	Origin  string // of the files
	Newest  uint   // version of the files
}

// Error returns the problem in one line.
func (r *Refusal) Error() string {
	switch r.Cause {
	case UnknownBaseline:
		return fmt.Sprintf("there is no version %d in %s (newest: %d)", r.Version, r.Origin, r.Newest)
	case UnknownStart:
		return fmt.Sprintf("there is no version %d in %s", r.Version, r.Origin)
	case Dirty:
		return fmt.Sprintf("the database is marked dirty at version %d", r.At)
	case HasVersion:
		return fmt.Sprintf("the database already has a version, %d", r.At)
	case OtherNewestRecorded:
		return fmt.Sprintf("the history table records version %d as the newest applied, not version %d", r.At, r.Version)
	}
	return "refused"
}

// A RealDatabaseError reports a scratch database that is the database of the application, which a
// rehearsal would empty.
type RealDatabaseError struct {
	Scratch string // user@host:port/database
	// Unreachable is the address of the database of the application if it cannot be reached, so that
	// only its name shows that both may be the same.
	Unreachable string
}

func (e *RealDatabaseError) Error() string {
	if e.Unreachable != "" {
		return fmt.Sprintf("the scratch database %s has the same name as %s, which cannot be reached", e.Scratch, e.Unreachable)
	}
	return fmt.Sprintf("the scratch database %s is the database of the application", e.Scratch)
}
