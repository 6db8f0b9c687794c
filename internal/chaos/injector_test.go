package chaos

import (
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// striker carries a strike out, once, unless the run ends before.
type injector struct {
	fault    Fault
	database *database
	proxy    *proxy
	signal   func(syscall.Signal) error

	mu    sync.Mutex
	over  bool // the run has ended, or was struck
	fired time.Time
	err   error
	timer *time.Timer
	wg    sync.WaitGroup
}

// arm sets the moment. The proxy tells when it has come.
func (s *injector) arm(answer int, after time.Duration) {
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

func (s *injector) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.over, s.fired = true, time.Now()
	s.err = s.inject()
}

// disarm is called when the run has ended, and says when it was struck, if it was.
func (s *injector) disarm() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
	return s.fired
}

// settled waits for what the strike has begun.
func (s *injector) wait() error {
	s.wg.Wait()
	return s.err
}

func (s *injector) inject() error {
	switch s.fault.Kind {
	case SIGKILL:
		return s.signal(syscall.SIGKILL)
	case SIGTERM:
		return s.signal(syscall.SIGTERM)
	case Terminate:
		_, err := s.database.admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = $1`, s.database.owner)
		return err
	case Reset:
		s.proxy.each(func(l *link) { l.reset(l.client); l.reset(l.server) })
	case DropRequests:
		s.drop(true, false)
	case DropAnswers:
		s.drop(false, true)
	case Restart:
		return s.restart(syscall.SIGINT) // "fast": sessions are told and rolled back
	case Crash:
		return s.restart(syscall.SIGQUIT) // "immediate": recovery from the log at the next start
	default:
		return fmt.Errorf("no such kind of strike: %q", s.fault.Kind)
	}
	return nil
}

// lose goes silent in one direction, then ends the tool's side, then the server's.
func (s *injector) drop(requests, replies bool) {
	s.proxy.each(func(l *link) {
		l.drop(requests, replies)
		s.after(s.fault.Silence, l, l.client)
		s.after(s.fault.Silence+s.fault.Linger, l, l.server)
	})
}

func (s *injector) after(d time.Duration, l *link, side *net.TCPConn) {
	s.proxy.wg.Go(func() {
		time.Sleep(d) // the strike itself, not a wait for something
		l.drop(true, true)
		l.reset(side)
	})
}

func (s *injector) restart(how syscall.Signal) error {
	if err := s.database.server.stop(how); err != nil {
		return err
	}
	s.wg.Go(func() {
		time.Sleep(s.fault.Down) // the strike itself
		if err := s.database.server.start(); err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
		}
	})
	return nil
}
