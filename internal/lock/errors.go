package lock

import (
	"errors"
	"fmt"
	"time"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/postgres"
)

// ErrNotNeeded means that the lock was not taken because it is no longer needed.
var ErrNotNeeded = errors.New("another migrator has applied the migrations, so the lock is not needed")

// ErrLost means that a migration released the lock.
var ErrLost = errors.New("the migration released Shiplock's advisory lock (pg_advisory_unlock_all or DISCARD ALL), and another migrator took it")

// A LockedError means that another migrator held the lock during all of Options.Wait.
type LockedError struct {
	Waited time.Duration
	Holder *activity.SessionInfo // session that holds the lock; nil if it ended meanwhile
}

func (e *LockedError) Error() string {
	s := fmt.Sprintf("another migrator held the lock for %s", postgres.RoundDuration(e.Waited))
	if e.Holder != nil {
		s += ": " + e.Holder.String()
	}
	return s
}

// MigrationStarted reports whether a migration with this error was started.
func MigrationStarted(err error) bool {
	var locked *LockedError
	return !errors.Is(err, ErrVersionChanged) && !errors.As(err, &locked)
}

// ErrVersionChanged means that another migrator changed the version after the plan. Nothing was
// applied; the caller plans again.
var ErrVersionChanged = errors.New("another migrator changed the schema version")

// ErrStatementPooling means that the pooler assigns a server session for one statement only.
var ErrStatementPooling = errors.New("the connection pooler is in statement mode, which does not allow transactions; use session or transaction mode")
