// Package notify carries the end of a run to where people look: the termination
// message of a pod, an Event, a webhook, a Pushgateway, GitHub's annotations. The
// words are the card's. What becomes of a delivery never changes an exit code.
package notify

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"time"

	"github.com/shiplock/shiplock/internal/report"
)

// SchemaVersion is that of Message as JSON. It rises when a field goes or changes
// its meaning; new fields may come without.
const SchemaVersion = 1

// Message is what goes out. docs/guides/notifications.md has its fields in a table. A
// pointer that is nil, null in JSON, says that a number is not known.
type Message struct {
	Schema   int          `json:"schema"`
	ID       string       `json:"id"` // of this delivery, so that a receiver can tell a retry
	Verb     string       `json:"verb"`
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

	// Versions of the schema; -1 is "before the first migration".
	VersionFrom *int `json:"version_from"`
	VersionTo   *int `json:"version_to"`  // where the database is now
	Applied     *int `json:"applied"`     // migrations run, up or down
	RolledBack  *int `json:"rolled_back"` // those of them that were rolled back
	Pending     *int `json:"pending"`
	// Migrations are those that Applied counts, in the order in which they ran; of
	// more than MaxMigrations the last.
	Migrations []Migration `json:"migrations"`
	Position   *Position   `json:"position"` // of the error in the file

	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Seconds  float64   `json:"duration_seconds"`
	Migrator string    `json:"migrator"` // its version

	// Changed says that a success has changed something: one that has not is told to
	// nobody, or fifty pods that start would be fifty messages.
	Changed bool `json:"changed"`
}

// MaxMigrations is how many migrations a Message lists.
const MaxMigrations = 100

// Migration is one that was run, or undone.
type Migration struct {
	Version   int    `json:"version"`
	Name      string `json:"name"`
	Direction string `json:"direction"` // up or down
}

// Position is a place in a migration's file. Line and column count from 1; 0 is not known.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// NewID returns an ID for a Message.
func NewID() string { return rand.Text() }

// Succeeded says whether the run did.
func (m Message) Succeeded() bool { return m.ExitCode == report.ExitOK }

// outcome names an exit code, for programs and for Kubernetes.
type outcome struct{ name, reason string }

var outcomes = map[int]outcome{
	report.ExitOK:               {"succeeded", "MigrationSucceeded"},
	report.ExitInternal:         {"error", "MigrationError"},
	report.ExitUsage:            {"misconfigured", "MigrationMisconfigured"},
	report.ExitDatabase:         {"database-unavailable", "DatabaseUnavailable"},
	report.ExitLocked:           {"locked", "MigrationLocked"},
	report.ExitRefused:          {"refused", "MigrationRefused"},
	report.ExitFailed:           {"failed", "MigrationFailed"},
	report.ExitPartiallyApplied: {"part-way", "MigrationPartWay"},
	report.ExitTimeout:          {"out-of-time", "MigrationTimedOut"},
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

// Outcome names an exit code in one word.
func Outcome(code int) string { return outcomeOf(code).name }

// encode is JSON as people write it: < and & stay what they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
