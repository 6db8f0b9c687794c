package chaos

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
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
	LoseRequests Kind = "requests lost"
	LoseAnswers  Kind = "answers lost"
	Restart      Kind = "server restarted"
	Crash        Kind = "server crashed"
)

// kinds holds each kind as often as it is to be drawn.
var kinds = []Kind{
	SIGKILL, SIGKILL, SIGKILL, SIGTERM, SIGTERM, SIGTERM,
	Terminate, Reset, LoseRequests, LoseAnswers, Restart, Crash,
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
type Strike struct {
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
func NewStrike(seed uint64, kind Kind) Strike {
	r := rand.New(rand.NewPCG(seed, 2))
	s := Strike{
		Kind: kinds[r.IntN(len(kinds))], At: r.Float64() * 1.05, ByAnswer: r.IntN(2) == 0,
		Silence: upTo(r, 200), Linger: upTo(r, 500), Down: upTo(r, 300),
	}
	if kind != "" {
		s.Kind = kind
	}
	return s
}

func upTo(r *rand.Rand, ms int) time.Duration { return time.Duration(r.IntN(ms)) * time.Millisecond }

// pace is how long a tool takes, measured before the first round.
type pace struct {
	base, each               time.Duration // from the first connection, and more a migration
	answersBase, answersEach float64
}

// moment is a strike's for one set and one tool: an answer or a duration.
func (p pace) moment(s Strike, set *Set) (answer int, after time.Duration) {
	n := len(set.Migrations)
	if s.ByAnswer {
		return 1 + int(s.At*(p.answersBase+p.answersEach*float64(n))), 0
	}
	return 0, time.Duration(s.At * float64(p.base+p.each*time.Duration(n)+set.Slept))
}

// striker carries a strike out, once, unless the run ends before.
type striker struct {
	strike Strike
	place  *place
	proxy  *proxy
	signal func(syscall.Signal) error

	mu    sync.Mutex
	over  bool // the run has ended, or was struck
	fired bool
	err   error
	timer *time.Timer
	wg    sync.WaitGroup
}

// arm sets the moment. The proxy tells when it has come.
func (s *striker) arm(answer int, after time.Duration) {
	s.proxy.connected = func() {
		if answer == 0 {
			s.mu.Lock()
			s.timer = time.AfterFunc(after, s.fire)
			s.mu.Unlock()
		}
	}
	s.proxy.answered = func(n int) {
		if n == answer {
			s.fire()
		}
	}
}

func (s *striker) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.over, s.fired = true, true
	s.err = s.do()
}

// disarm is called when the run has ended, and says whether it was struck before.
func (s *striker) disarm() (fired bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
	return s.fired
}

// settled waits for what the strike has begun.
func (s *striker) settled() error {
	s.wg.Wait()
	return s.err
}

func (s *striker) do() error {
	switch s.strike.Kind {
	case SIGKILL:
		return s.signal(syscall.SIGKILL)
	case SIGTERM:
		return s.signal(syscall.SIGTERM)
	case Terminate:
		_, err := s.place.admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = $1`, s.place.owner)
		return err
	case Reset:
		s.proxy.each(func(l *link) { l.reset(l.client); l.reset(l.server) })
	case LoseRequests:
		s.lose(true, false)
	case LoseAnswers:
		s.lose(false, true)
	case Restart:
		return s.restart(syscall.SIGINT) // "fast": sessions are told and rolled back
	case Crash:
		return s.restart(syscall.SIGQUIT) // "immediate": recovery from the log at the next start
	default:
		return fmt.Errorf("no such kind of strike: %q", s.strike.Kind)
	}
	return nil
}

// lose goes silent in one direction, then ends the tool's side, then the server's.
func (s *striker) lose(requests, replies bool) {
	s.proxy.each(func(l *link) {
		l.lose(requests, replies)
		s.after(s.strike.Silence, l, l.client)
		s.after(s.strike.Silence+s.strike.Linger, l, l.server)
	})
}

func (s *striker) after(d time.Duration, l *link, side *net.TCPConn) {
	s.proxy.wg.Go(func() {
		time.Sleep(d) // the strike itself, not a wait for something
		l.lose(true, true)
		l.reset(side)
	})
}

func (s *striker) restart(how syscall.Signal) error {
	if err := s.place.server.stop(how); err != nil {
		return err
	}
	s.wg.Go(func() {
		time.Sleep(s.strike.Down) // the strike itself
		if err := s.place.server.start(); err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
		}
	})
	return nil
}
