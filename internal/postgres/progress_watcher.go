package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/shiplock/shiplock/internal/progress"
)

// watchEvery is the longest pause between two looks of a watcher.
const activityInterval = time.Second

// watcher follows what its session does while that is busy, and shows it. What only
// the server knows it asks from a second session, which is opened when a statement
// takes long and closed with the watcher. Nothing that goes wrong with it is an error.
type watcher struct {
	db       *DB
	activity *progress.Activity
	cancel   context.CancelFunc
	done     chan struct{}

	session    *DB // the second session, of the watcher's goroutine alone
	retryAfter time.Time
	estimate   progress.Estimate

	mu       sync.Mutex
	attempt  time.Time // when the present attempt began
	blockers []string  // that were seen last in it
	current  []string  // the blockers of the last look; none if it saw nobody in the way
}

// watch begins a watch, or joins the one that goes on. The function it returns ends what it began.
func (db *DB) startWatcher(ctx context.Context) (stop func()) {
	if db.watcher != nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{db: db, activity: db.opts.Progress.Start(), cancel: cancel, done: make(chan struct{}), attempt: time.Now()}
	db.watcher = w
	go w.run(ctx)
	return func() {
		db.watcher = nil
		cancel()
		<-w.done
		w.activity.End()
	}
}

// again forgets who was seen, because another attempt begins.
func (w *watcher) resetAttempt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempt, w.blockers, w.current = time.Now(), nil, nil
}

// seen are the sessions that have kept the present attempt waiting.
func (w *watcher) seenBlockers() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.blockers
}

// waiting are the sessions that were in the way when the watcher looked last: whom a run whose time is over was waiting for.
func (w *watcher) currentBlockers() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current
}

func (w *watcher) run(ctx context.Context) {
	defer close(w.done)
	defer w.close()
	pause := activityInterval
	if limit := w.db.opts.LockTimeout; limit > 0 {
		pause = min(pause, limit/4)
	}
	if patience, ever := w.db.opts.Progress.QueryDelay(); ever {
		pause = min(pause, patience/2)
	}
	for sleep(ctx, pause) == nil {
		now := w.db.runPosition.snapshot()
		var g *backendActivity
		if w.shouldQueryActivity(now) {
			g = w.queryActivity(ctx)
		}
		if ctx.Err() == nil {
			w.activity.Show(w.status(now, g))
		}
	}
}

// worthALook says that a statement takes long, or that the lock timeout may be what
// ends the attempt. Who meets nobody, and is quick, costs no connection.
func (w *watcher) shouldQueryActivity(now position) bool {
	w.mu.Lock()
	attempt := time.Since(w.attempt)
	w.mu.Unlock()
	if limit := w.db.opts.LockTimeout; limit > 0 && attempt >= limit/2 {
		return true
	}
	patience, ever := w.db.opts.Progress.QueryDelay()
	return ever && !now.since.IsZero() && min(time.Since(now.since), w.activity.Elapsed()) >= patience
}

// look asks the server; nil where it does not answer.
func (w *watcher) queryActivity(ctx context.Context) *backendActivity {
	if w.session == nil {
		if time.Now().Before(w.retryAfter) {
			return nil
		}
		fresh, err := w.db.openActivitySession(ctx)
		if err != nil {
			w.activityFailed(ctx, err)
			return nil
		}
		w.session = fresh
	}
	ctx, cancel := context.WithTimeout(ctx, 2*activityQueryTimeout)
	defer cancel()
	g, err := w.session.readActivity(ctx, int(w.db.backendPID.Load()))
	if err != nil {
		w.activityFailed(ctx, err)
		w.close()
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.current = g.blockingSessions(); len(w.current) > 0 {
		w.blockers = w.current
	}
	return g
}

func (w *watcher) activityFailed(ctx context.Context, err error) {
	w.retryAfter = time.Now().Add(activityRetryDelay)
	if ctx.Err() == nil {
		w.db.log.Debug("cannot see what the server does", "error", err)
	}
}

func (w *watcher) close() {
	if w.session != nil {
		_ = w.session.Close()
		w.session = nil
	}
}
