package chaos

import (
	"math/rand/v2"
	"time"
)

// Kind is a way to strike a migrator.
type Kind string

// Kinds of strikes.
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

// kinds holds each kind as often as it is to be drawn.
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

// Strike is what a seed does to a run, and when.
type Fault struct {
	Kind Kind
	// At is the moment, as a part of the run from its first connection to its end;
	// beyond 1 are moments after the usual end.
	At float64
	// ByAnswer counts the server's answers and not the time: it finds the narrow
	// moments between two statements, and the same ones again.
	ByAnswer bool
	// Silence is how long a connection that loses messages stays open for the tool,
	// and Linger how long the server's side outlives the tool's.
	Silence, Linger time.Duration
	// Down is how long the server stays away.
	Down time.Duration
}

// NewStrike draws the strike of a seed.
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
