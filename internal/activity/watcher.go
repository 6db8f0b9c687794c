package activity

import (
	"context"
	"sync"
	"time"

	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/retry"
)

// queryInterval is the maximum pause between two activity queries.
const queryInterval = time.Second

// A Monitor reports the progress of the migrations that a session runs. It is not safe for concurrent
// use.
type Monitor struct {
	session *postgres.Session
	// Position is the current file and statement.
	Position PositionTracker
	watcher  *Watcher // nil if there is none
}

// NewMonitor returns a monitor of a session.
func NewMonitor(session *postgres.Session) *Monitor { return &Monitor{session: session} }

// Watcher returns the running watcher, or nil.
func (monitor *Monitor) Watcher() *Watcher { return monitor.watcher }

// A Watcher reports the progress of a busy session. It reads the server's view of it from a second
// session, which is opened when a statement runs for long and closed with the watcher. Its failures
// are never errors of the run.
type Watcher struct {
	monitor  *Monitor
	activity *progress.Activity
	cancel   context.CancelFunc
	done     chan struct{}

	session    *postgres.Session // second session; used only by the watcher's goroutine
	retryAfter time.Time
	estimate   progress.Estimate

	mu       sync.Mutex
	attempt  time.Time     // start of the current attempt
	blockers []SessionInfo // last blocking sessions of the attempt
	current  []SessionInfo // blocking sessions at the last query
}

// StartWatcher starts a watcher unless one is running. The returned function stops it.
func (monitor *Monitor) StartWatcher(ctx context.Context) (stop func()) {
	if monitor.watcher != nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &Watcher{monitor: monitor, activity: monitor.session.Opts.Progress.Start(), cancel: cancel, done: make(chan struct{}), attempt: time.Now()}
	monitor.watcher = w
	go w.run(ctx)
	return func() {
		monitor.watcher = nil
		cancel()
		<-w.done
		w.activity.End()
	}
}

// ResetAttempt clears the blocking sessions at the start of a new attempt.
func (w *Watcher) ResetAttempt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempt, w.blockers, w.current = time.Now(), nil, nil
}

// SeenBlockers returns the sessions that blocked the current attempt.
func (w *Watcher) SeenBlockers() []SessionInfo {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.blockers
}

// CurrentBlockers returns the sessions that were blocking at the last query.
func (w *Watcher) CurrentBlockers() []SessionInfo {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current
}

func (w *Watcher) run(ctx context.Context) {
	defer close(w.done)
	defer w.close()
	pause := queryInterval
	if limit := w.monitor.session.Opts.LockTimeout; limit > 0 {
		pause = min(pause, limit/4)
	}
	if patience, ever := w.monitor.session.Opts.Progress.QueryDelay(); ever {
		pause = min(pause, patience/2)
	}
	for retry.Sleep(ctx, pause) == nil {
		now := w.monitor.Position.snapshot()
		var a *Backend
		if w.shouldQueryActivity(now) {
			a = w.queryActivity(ctx)
		}
		if ctx.Err() == nil {
			w.activity.Show(w.status(now, a))
		}
	}
}

// shouldQueryActivity reports whether a statement runs for long or the attempt approaches its lock
// timeout. Short statements that meet no lock open no second connection.
func (w *Watcher) shouldQueryActivity(now position) bool {
	w.mu.Lock()
	attempt := time.Since(w.attempt)
	w.mu.Unlock()
	if limit := w.monitor.session.Opts.LockTimeout; limit > 0 && attempt >= limit/2 {
		return true
	}
	patience, ever := w.monitor.session.Opts.Progress.QueryDelay()
	return ever && !now.since.IsZero() && min(time.Since(now.since), w.activity.Elapsed()) >= patience
}

// queryActivity returns the session's activity, or nil if the server does not answer.
func (w *Watcher) queryActivity(ctx context.Context) *Backend {
	if w.session == nil {
		if time.Now().Before(w.retryAfter) {
			return nil
		}
		fresh, err := openSession(ctx, w.monitor.session)
		if err != nil {
			w.activityFailed(ctx, err)
			return nil
		}
		w.session = fresh
	}
	ctx, cancel := context.WithTimeout(ctx, 2*queryTimeout)
	defer cancel()
	a, err := Read(ctx, w.session, int(w.monitor.session.BackendPID.Load()))
	if err != nil {
		w.activityFailed(ctx, err)
		w.close()
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.current = a.blockingSessions(); len(w.current) > 0 {
		w.blockers = w.current
	}
	return a
}

func (w *Watcher) activityFailed(ctx context.Context, err error) {
	w.retryAfter = time.Now().Add(retryDelay)
	if ctx.Err() == nil {
		w.monitor.session.Log.Debug("server activity not available", "error", err)
	}
}

func (w *Watcher) close() {
	if w.session != nil {
		_ = w.session.Close()
		w.session = nil
	}
}

// status describes the run by its own position and the server's activity.
func (w *Watcher) status(now position, a *Backend) progress.Status {
	m := progress.Status{Message: "migration is running", Facts: now.facts()}
	if a == nil {
		if share, ok := now.sentShare(); ok {
			m.Facts = append(m.Facts, w.shareFacts("sent", share)...)
		}
		return m
	}
	m.Facts = append(m.Facts, a.PhaseFacts()...)
	if share, ok := a.Progress.Share(); ok {
		m.Facts = append(m.Facts, w.shareFacts(a.Progress.phaseKey(), share)...)
	} else if share, ok := now.sentShare(); ok {
		m.Facts = append(m.Facts, w.shareFacts("sent", share)...)
	}
	m.Facts = append(m.Facts, a.WaitFacts()...)
	return m
}

// shareFacts returns the completed share and, if known, the estimated time left.
func (w *Watcher) shareFacts(of string, done float64) []progress.Fact {
	facts := []progress.Fact{progress.Percent(done)}
	w.estimate.Add(time.Now(), of, done)
	if left, ok := w.estimate.Remaining(); ok {
		facts = append(facts, progress.Fact{Name: "phase_left", Value: "about " + formatDuration(left), Bar: "about " + formatDuration(left) + " left", Rank: 3})
	}
	return facts
}
