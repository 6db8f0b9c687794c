// Package notify delivers the result of a run. The text is that of the failure report. A failed
// delivery never changes an exit code.
//
// A Message is what is delivered, a Channel is one destination, and a Notifier delivers a Message
// to all of them within a time limit. Each kind of destination is a package below this one:
// webhook, slack (a format of a webhook), pushgateway, kubernetes and github. Package
// cli/notifications makes the Notifier from the flags, and package cli calls it.
package notify

import (
	"crypto/rand"
	"maps"
	"slices"
	"time"

	"github.com/shiplock/shiplock/internal/report"
)

// SchemaVersion is the version of Message as JSON. It increases if a field is removed or
// changes its meaning; new fields do not increase it.
const SchemaVersion = 1

// A Message is a notification. docs/guides/notifications.md lists its fields. A pointer that
// is nil, null in JSON, means that a number is unknown.
type Message struct {
	Schema   int          `json:"schema"`
	ID       string       `json:"id"` // of this delivery, so that a receiver can detect a retry
	Command  string       `json:"command"`
	Outcome  string       `json:"outcome"` // see outcomes
	ExitCode int          `json:"exit_code"`
	Title    string       `json:"title"`
	Rows     []report.Row `json:"rows"`
	Report   string       `json:"report"` // title and rows laid out, or the two lines of a success

	Release   string `json:"release"`
	Revision  string `json:"revision"`
	Namespace string `json:"namespace"`
	Job       string `json:"job"`
	Pod       string `json:"pod"`
	Database  string `json:"database"` // user@host:port/name

	// Versions of the schema; -1 means that no migration is applied.
	VersionFrom *int `json:"version_from"`
	VersionTo   *int `json:"version_to"`  // current version of the database
	Applied     *int `json:"applied"`     // migrations run, up or down
	RolledBack  *int `json:"rolled_back"` // those of them that were rolled back
	Pending     *int `json:"pending"`
	// Migrations are those that Applied counts, in the order in which they ran, at most
	// the last MaxMigrations.
	Migrations []Migration `json:"migrations"`
	Position   *Position   `json:"position"` // of the error in the file

	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Seconds  float64   `json:"duration_seconds"`
	Migrator string    `json:"migrator"` // its version

	// Changed reports whether a successful run changed the database. One that did not is not
	// notified, or the start of fifty pods would send fifty messages.
	Changed bool `json:"changed"`
}

// MaxMigrations is the most migrations that a Message lists.
const MaxMigrations = 100

// A Migration was applied or rolled back.
type Migration struct {
	Version   int    `json:"version"`
	Name      string `json:"name"`
	Direction string `json:"direction"` // up or down
}

// A Position is a place in a migration file. Line and column count from 1; 0 is unknown.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// NewID returns an ID for a Message.
func NewID() string { return rand.Text() }

// Succeeded reports whether the run succeeded.
func (m Message) Succeeded() bool { return m.ExitCode == report.ExitOK }

// An outcome is the name of an exit code, and its reason in a Kubernetes Event.
type outcome struct{ name, reason string }

var outcomes = map[int]outcome{
	report.ExitOK:               {"succeeded", "MigrationSucceeded"},
	report.ExitInternal:         {"error", "MigrationError"},
	report.ExitUsage:            {"misconfigured", "MigrationMisconfigured"},
	report.ExitDatabase:         {"database-unavailable", "DatabaseUnavailable"},
	report.ExitLocked:           {"locked", "MigrationLocked"},
	report.ExitRefused:          {"refused", "MigrationRefused"},
	report.ExitFailed:           {"failed", "MigrationFailed"},
	report.ExitPartiallyApplied: {"partially-applied", "MigrationPartiallyApplied"},
	report.ExitTimeout:          {"timed-out", "MigrationTimedOut"},
	report.ExitSignal:           {"stopped", "MigrationStopped"},
}

func outcomeOf(code int) outcome {
	if code > report.ExitSignal {
		code = report.ExitSignal
	}
	if o, ok := outcomes[code]; ok {
		return o
	}
	return outcomes[report.ExitInternal]
}

// Outcome returns the name of an exit code.
func Outcome(code int) string { return outcomeOf(code).name }

// Reason returns the reason of a Kubernetes Event for an exit code.
func Reason(code int) string { return outcomeOf(code).reason }

// ExitCodes returns the exit codes that have an outcome of their own.
func ExitCodes() []int { return slices.Sorted(maps.Keys(outcomes)) }
