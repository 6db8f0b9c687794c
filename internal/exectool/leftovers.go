package exectool

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/retry"
	"github.com/shiplock/shiplock/internal/subprocess"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// Before the lock is released, Shiplock waits for the sessions that a tool left in the
// server, terminates them, or reports them. See ADR 17.

// A sessionWait is the wait for the sessions that a tool has left behind.
type sessionWait struct {
	r      *toolRun
	db     *database.Database
	exit   subprocess.Exit
	start  time.Time
	limit  time.Duration
	polls  int
	left   map[int]*trackedSession // by pid
	logged bool
}

// recordLeftovers records the active sessions of processes that the tool has left behind
// and that are about to be terminated: the outcome of their statements is unknown then.
func (r *toolRun) recordLeftovers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inspectionTimeout)
	defer cancel()
	err := r.withSession(ctx, func(db *database.Database) error {
		now, err := db.Tools.FindToolLeftovers(ctx, r.trace, r.roles, r.connections.all())
		r.leftover = slices.DeleteFunc(now.Sessions, func(s toolrun.ToolSession) bool { return !s.Certain || !s.Active() })
		return err
	})
	if err != nil {
		r.o.Log.Debug("could not list the sessions of processes that the tool left behind", "error", err)
	}
}

// A trackedSession is a session that is waited for.
type trackedSession struct {
	LeftoverSession
	cut                  bool // its process was terminated while a statement ran
	canceled, terminated time.Time
}

// waitForSessions terminates the sessions that certainly belong to the tool, waits for those
// that may belong to it, and returns all of them with their fates. If the tool succeeded
// and left nothing, this takes one query.
func (r *toolRun) waitForSessions(ctx context.Context, db *database.Database, exit subprocess.Exit) (ToolLeftovers, error) {
	if r.trace == nil {
		return ToolLeftovers{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.tool.SessionGrace+inspectionTimeout) // on a network that drops all packets, queries never return
	defer cancel()
	s := &sessionWait{r: r, db: db, exit: exit, start: time.Now(), limit: r.tool.SessionGrace, left: map[int]*trackedSession{}}
	var sig *interrupt.SignalError
	if errors.As(exit.StopCause, &sig) {
		s.limit = max(time.Second, min(s.limit, stopTimeout-time.Since(r.stopTime())))
	}
	for _, l := range r.leftover {
		s.left[l.PID] = &trackedSession{LeftoverSession: LeftoverSession{ToolSession: l, Fate: SessionRemains}, cut: true}
	}
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, pollInterval) {
		now, err := db.Tools.FindToolLeftovers(ctx, r.trace, r.roles, r.connections.all())
		if err != nil {
			return s.leftovers(false, now), err
		}
		open := s.update(now.Sessions)
		if open == 0 && len(now.Prepared) == 0 || time.Since(s.start) >= s.limit {
			return s.leftovers(true, now), nil
		}
		if !s.logged && time.Since(s.start) > closeDelay {
			s.logged = true
			r.o.Log.Warn("tool exited, waiting for its database sessions", "sessions", s.openSessions(), "prepared_transactions", len(now.Prepared), "time_left", s.limit)
		}
		if err := s.endOwnSessions(ctx); err != nil {
			return s.leftovers(false, now), err
		}
		if err := retry.Sleep(ctx, wait); err != nil {
			return s.leftovers(false, now), err
		}
	}
}

func (s *sessionWait) succeeded() bool { return s.exit.Code == 0 && s.exit.StopCause == nil }

// exitedByItself reports whether the tool exited by itself, so that its process has read
// the results of its statements. Then only sessions with its name or connections count.
func (s *sessionWait) exitedByItself() bool {
	return s.exit.StopCause == nil && s.exit.Signal == 0 && s.exit.Code < 128
}

// isRelevant reports whether to wait for a session. One that may belong to another client
// must appear in the first query, because the tool has started nothing since.
func (s *sessionWait) isRelevant(n toolrun.ToolSession) bool {
	switch {
	case n.Certain:
		return n.Busy || !s.succeeded()
	case n.Application == s.r.trace.Application:
		return s.polls == 1
	}
	return s.polls == 1 && !s.exitedByItself()
}

// update records the current sessions, and returns how many of them are waited for.
func (s *sessionWait) update(now []toolrun.ToolSession) (open int) {
	s.polls++
	for _, l := range s.left {
		if l.Fate != SessionRemains || slices.ContainsFunc(now, func(n toolrun.ToolSession) bool {
			return n.SameTransaction(l.ToolSession) || l.Certain && n.PID == l.PID && n.Started == l.Started && s.isRelevant(n)
		}) {
			continue
		}
		switch {
		case !l.terminated.IsZero():
			l.Fate = SessionTerminated
		case !l.canceled.IsZero():
			l.Fate = SessionCanceled
		default:
			l.Fate = SessionEnded
		}
	}
	for _, n := range now {
		if known := s.left[n.PID]; known != nil && known.Fate == SessionRemains {
			known.Certain = known.Certain || n.Certain
			if known.Seconds = n.Seconds; known.Certain && (n.Busy || !known.cut) {
				known.ToolSession = n // as last seen active
			}
		} else if s.isRelevant(n) {
			s.left[n.PID] = &trackedSession{LeftoverSession: LeftoverSession{ToolSession: n, Fate: SessionRemains}}
		}
	}
	for _, l := range s.left {
		if l.Fate == SessionRemains {
			open++
		}
	}
	return open
}

// endOwnSessions cancels the statements of the tool's own sessions, and terminates the
// sessions that do not respond or that only keep a transaction open. If the tool has
// succeeded, the server may not have noticed yet that it has disconnected.
func (s *sessionWait) endOwnSessions(ctx context.Context) error {
	if s.succeeded() && time.Since(s.start) < closeDelay {
		return nil
	}
	for _, l := range s.left {
		if !l.Certain || l.Fate != SessionRemains || l.Denied || !l.terminated.IsZero() {
			continue
		}
		terminate := time.Since(s.start) > terminateAfter
		if !l.canceled.IsZero() {
			terminate = time.Since(l.canceled) > terminateAfter
		}
		if !terminate && (!l.Active() || !l.canceled.IsZero()) {
			continue
		}
		allowed, err := s.db.Tools.EndToolSession(ctx, l.ToolSession, terminate)
		if err != nil {
			return err
		}
		switch {
		case !allowed:
			l.Denied = true
		case terminate:
			l.terminated = time.Now()
		default:
			l.canceled = time.Now()
		}
	}
	return nil
}

func (s *sessionWait) openSessions() []string {
	var out []string
	for _, pid := range slices.Sorted(maps.Keys(s.left)) {
		if l := s.left[pid]; l.Fate == SessionRemains {
			out = append(out, l.String())
		}
	}
	return out
}

// leftovers returns the tracked sessions without those that ended by themselves: all such
// sessions if the tool succeeded, otherwise the idle ones.
func (s *sessionWait) leftovers(sessionsKnown bool, now toolrun.ToolLeftovers) ToolLeftovers {
	out := ToolLeftovers{SessionsKnown: sessionsKnown, Prepared: now.Prepared}
	for _, pid := range slices.Sorted(maps.Keys(s.left)) {
		if l := s.left[pid]; l.Fate != SessionEnded || l.Active() && (l.cut || !s.succeeded()) {
			out.Sessions = append(out.Sessions, l.LeftoverSession)
		}
	}
	return out
}
