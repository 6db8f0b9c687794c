package faultinjection

import (
	"math/rand/v2"
	"time"
)

// A Kind is a kind of fault.
type Kind string

// Kinds of faults.
const (
	SIGKILL      Kind = "SIGKILL"
	SIGTERM      Kind = "SIGTERM"
	Terminate    Kind = "pg_terminate_backend"
	Reset        Kind = "connection reset"
	DropRequests Kind = "requests lost"
	DropAnswers  Kind = "answers lost"
	Restart      Kind = "server restarted"
	Crash        Kind = "server crashed"
)

// kinds has each kind as often as its probability requires.
var kinds = []Kind{
	SIGKILL, SIGKILL, SIGKILL, SIGTERM, SIGTERM, SIGTERM,
	Terminate, Reset, DropRequests, DropAnswers, Restart, Crash,
}

func kindNames() []string {
	var names []string
	for i, k := range kinds {
		if i == 0 || kinds[i-1] != k {
			names = append(names, string(k))
		}
	}
	return names
}

// A Fault is what a seed injects into a run, and when.
type Fault struct {
	Kind Kind
	// At is the moment as a fraction of the run, from its first connection to its usual
	// end; it may exceed 1.
	At float64
	// ByAnswer makes At a fraction of the server's answers instead of the time. It hits the
	// short intervals between two statements, and is repeatable.
	ByAnswer bool
	// Silence is how long a connection that drops messages stays open for the tool,
	// and Linger how much longer it stays open for the server.
	Silence, Linger time.Duration
	// Down is how long the server is stopped.
	Down time.Duration
}

// NewFault returns the fault of a seed; a kind overrides the seed's.
func NewFault(seed uint64, kind Kind) Fault {
	r := rand.New(rand.NewPCG(seed, 2))
	s := Fault{
		Kind: kinds[r.IntN(len(kinds))], At: r.Float64() * 1.05, ByAnswer: r.IntN(2) == 0,
		Silence: upTo(r, 200), Linger: upTo(r, 500), Down: upTo(r, 300),
	}
	if kind != "" {
		s.Kind = kind
	}
	return s
}

func upTo(r *rand.Rand, ms int) time.Duration { return time.Duration(r.IntN(ms)) * time.Millisecond }
