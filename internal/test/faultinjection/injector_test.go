package faultinjection

import (
	"fmt"
	"sync"
	"syscall"
	"time"
)

// An injector injects a fault once, unless the run ends first.
type injector struct {
	fault    Fault
	database *database
	proxy    *proxy
	signal   func(syscall.Signal) error

	mu    sync.Mutex
	over  bool // the run has ended, or the fault was injected
	fired time.Time
	err   error
	timer *time.Timer
	wg    sync.WaitGroup
}

// arm sets the moment, which the proxy detects.
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

// disarm stops the injector at the end of the run. It returns when the fault was injected, or the
// zero time.
func (s *injector) disarm() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
	return s.fired
}

// wait waits until the fault has ended.
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
		s.proxy.Reset()
	case DropRequests:
		s.drop(true, false)
	case DropAnswers:
		s.drop(false, true)
	case Restart:
		return s.restart(syscall.SIGINT) // "fast": sessions are terminated and rolled back
	case Crash:
		return s.restart(syscall.SIGQUIT) // "immediate": recovery from the log at the next start
	default:
		return fmt.Errorf("unknown kind of fault: %q", s.fault.Kind)
	}
	return nil
}

// drop drops all messages of one direction, then closes the tool's side, then the server's.
func (s *injector) drop(requests, replies bool) {
	for _, c := range s.proxy.Connections() {
		c.Drop(requests, replies)
		c.ResetLater(s.fault.Silence, c.Client)
		c.ResetLater(s.fault.Silence+s.fault.Linger, c.Server)
	}
}

func (s *injector) restart(how syscall.Signal) error {
	if err := s.database.server.stop(how); err != nil {
		return err
	}
	s.wg.Go(func() {
		time.Sleep(s.fault.Down) // the fault itself
		if err := s.database.server.start(); err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
		}
	})
	return nil
}
