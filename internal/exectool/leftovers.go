package exectool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/subprocess"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// Before the lock is released, Shiplock waits for the sessions that a tool left in the
// server, terminates them, or reports them. See ADR 17.

// Values of LeftoverSession.Fate.
const (
	SessionRemains    = "remains"
	SessionEnded      = "ended"
	SessionCanceled   = "canceled"
	SessionTerminated = "terminated"
)

// A LeftoverSession is a session that was still active after its tool had ended.
type LeftoverSession struct {
	toolrun.ToolSession
	Fate   string
	Denied bool // the role has no permission to terminate it
}

// ToolLeftovers are the sessions and prepared transactions that a tool has left in the server.
type ToolLeftovers struct {
	SessionsKnown bool // false if the sessions could not be listed
	Sessions      []LeftoverSession
	Prepared      []toolrun.PreparedTransaction
}

// StillActive reports whether a leftover may still change the schema or hold locks.
func (r ToolLeftovers) StillActive() bool {
	return len(r.Prepared) > 0 || slices.ContainsFunc(r.Sessions, func(s LeftoverSession) bool { return s.Fate == SessionRemains })
}

// any reports whether there are leftovers.
func (r ToolLeftovers) any() bool { return len(r.Sessions)+len(r.Prepared) > 0 }

// An EarlierToolError reports that sessions of an earlier run are still active.
type EarlierToolError struct {
	Waited   time.Duration
	Sessions []toolrun.ToolSession
}

func (e *EarlierToolError) Error() string {
	return fmt.Sprintf("sessions of an earlier run of an external tool are still active after %s: %s", e.Waited.Round(time.Millisecond), e.Sessions[0])
}

const (
	// pollInterval is the maximum interval between two queries for a tool's sessions.
	pollInterval = 250 * time.Millisecond
	// terminateAfter is how long a canceled statement may take to end before its session is terminated.
	terminateAfter = 2 * time.Second
	// closeDelay is how long the server may take to notice that a successful tool has
	// disconnected. It is shorter than the interval after which a statement ends for that.
	closeDelay = time.Second
	// checkInterval is the client_connection_check_interval of the tool's sessions.
	checkInterval = 2 * time.Second
	// stopTimeout limits the time that sessions may take after a signal: Kubernetes kills
	// the pod after 30 seconds, and the schema comparison and the report come afterwards.
	stopTimeout = 20 * time.Second
)

// A connectionLog holds a tool's connections, each with the time it was last seen.
type connectionLog struct {
	mu   sync.Mutex
	seen map[subprocess.Connection]time.Time
}

func (l *connectionLog) add(now []subprocess.Connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[subprocess.Connection]time.Time{}
	}
	at := time.Now()
	for _, c := range now {
		l.seen[c] = at
	}
	const many = 4096 // a tool may connect for each statement
	for c, last := range l.seen {
		if len(l.seen) > many && at.Sub(last) > time.Minute {
			delete(l.seen, c)
		}
	}
}

func (l *connectionLog) all() []toolrun.ToolConnection {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []toolrun.ToolConnection
	for c, at := range l.seen {
		out = append(out, toolrun.ToolConnection{Local: c.Local, Remote: c.Remote, Seen: at})
	}
	return out
}

// sessionEnvironment returns an environment that sets the tool's application_name, and
// client_connection_check_interval so that statements end when their client is gone, unless
// the tool's command or environment sets them. A PGOPTIONS that is set and empty is kept.
func sessionEnvironment(c subprocess.Command, t *toolrun.ToolTrace, address string) []string {
	env := c.Env
	values := map[string]string{}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
	}
	set := map[string]string{}
	if name := values["PGAPPNAME"]; name == "" || toolrun.IsToolApplication(name) {
		set["PGAPPNAME"] = t.Application
	}
	const parameter = "client_connection_check_interval"
	options, given := values["PGOPTIONS"]
	if t.Checks && (options != "" || !given) && !strings.Contains(options, parameter) && !connectsElsewhere(c.Args, values, address) {
		set["PGOPTIONS"] = strings.TrimSpace(options + fmt.Sprintf(" -c %s=%d", parameter, checkInterval.Milliseconds()))
	}
	out := slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, replaced := set[name]
		return replaced
	})
	for _, name := range slices.Sorted(maps.Keys(set)) {
		out = append(out, name+"="+set[name])
	}
	return out
}

var (
	// databaseURL matches the address in a database URL. A password may contain any character.
	databaseURL = regexp.MustCompile(`(?i)\b(?:postgres|postgresql|pgx5?|postgis|jdbc:postgresql)(?:\+\w+)?://(?:[^\s"']*@)?([^\s"'@/?]*)`)
	urlUser     = regexp.MustCompile(`://([^:@/?\s"']+)(?::[^\s"']*)?@`)
	userKeyword = regexp.MustCompile(`(?i)(?:^|[?&;\s-])user(?:name)?=["']?([^&;\s"']+)`)
	userName    = regexp.MustCompile(`(?i)user(_?name)?$`)
)

// connectsElsewhere reports whether a command or its environment names a different
// PostgreSQL server: it may be a pooler, which rejects parameters that it does not support.
func connectsElsewhere(args []string, env map[string]string, address string) bool {
	ownHost, ownPort, err := net.SplitHostPort(address)
	if err != nil {
		return true // several servers, or a Unix socket
	}
	other := func(host, port string) bool {
		return host != "" && (!strings.EqualFold(strings.Trim(host, "[]"), ownHost) || (port != "" && port != ownPort) || port == "" && ownPort != "5432")
	}
	if host := env["PGHOST"]; host != "" && other(host, env["PGPORT"]) {
		return true
	}
	for _, value := range append(slices.Collect(maps.Values(env)), args...) {
		for _, m := range databaseURL.FindAllStringSubmatch(value, -1) {
			host, port, err := net.SplitHostPort(m[1])
			if err != nil {
				host, port = m[1], ""
			}
			if other(host, port) {
				return true
			}
		}
	}
	return false
}

// rolesOf returns the roles that a tool may log in as: the given role and those that its
// command and environment name.
func rolesOf(role string, c subprocess.Command) []string {
	roles := map[string]bool{role: true}
	for i, text := range append(slices.Clone(c.Args), c.Env...) {
		if i > 0 && i < len(c.Args) && slices.Contains([]string{"-U", "--user", "--username"}, c.Args[i-1]) {
			roles[text] = true
		}
		name, value, _ := strings.Cut(text, "=")
		if i >= len(c.Args) {
			if text = value; userName.MatchString(name) && name != "USER" {
				roles[value] = true
			}
		}
		for _, pattern := range []*regexp.Regexp{urlUser, userKeyword} {
			for _, m := range pattern.FindAllStringSubmatch(text, -1) {
				roles[unescaped(m[1])] = true
			}
		}
	}
	delete(roles, "")
	return slices.Sorted(maps.Keys(roles))
}

// waitForEarlierRun waits until the active sessions of earlier runs have ended: of a run
// whose migrator was killed, or that could not terminate them.
func (r *toolRun) waitForEarlierRun(ctx context.Context, db *database.Database) error {
	before, waited, err := r.waitForTransactions(ctx, "waiting for sessions of an earlier run", r.o.LockWait,
		func() ([]toolrun.ToolSession, error) { return db.Tools.EarlierToolSessions(ctx, r.trace) })
	if len(before) > 0 {
		return &EarlierToolError{Waited: waited, Sessions: before}
	}
	if err != nil {
		return err
	}
	// A run without an end was killed, because this process holds the lock.
	last, err := db.Tools.LastToolRun(ctx)
	if err != nil || last == nil || last.Outcome != toolrun.ToolRunning {
		return err
	}
	before, _, err = r.waitForTransactions(ctx, "waiting for possible sessions of a killed run", r.tool.SessionGrace,
		func() ([]toolrun.ToolSession, error) { return db.Tools.SessionsSince(ctx, last.Started, r.roles) })
	if len(before) > 0 {
		r.o.Log.Warn("running the tool despite possible sessions of a killed run", "command", last.Command, "started", last.Started, "sessions", describe(before))
	}
	return err
}

// waitForTransactions waits until the sessions that list returns first have ended their
// current transactions. It returns those that have not when limit is exceeded.
func (r *toolRun) waitForTransactions(ctx context.Context, message string, limit time.Duration, list func() ([]toolrun.ToolSession, error)) (left []toolrun.ToolSession, waited time.Duration, err error) {
	left, err = list()
	if err != nil || len(left) == 0 {
		return nil, 0, err
	}
	r.o.Log.Warn(message, "sessions", describe(left), "for_up_to", limit)
	start, wait := time.Now(), r.o.Progress.StartWait()
	defer wait.End()
	for {
		if err := pause(ctx, pollInterval); err != nil {
			return nil, waited, err
		}
		now, err := list()
		if err != nil {
			return nil, waited, err
		}
		left = slices.DeleteFunc(left, func(s toolrun.ToolSession) bool { return !slices.ContainsFunc(now, s.SameTransaction) })
		waited = time.Since(start)
		if len(left) == 0 {
			r.o.Log.Info("sessions of an earlier run have ended", "waited", waited.Round(time.Millisecond))
		}
		if len(left) == 0 || waited > limit {
			return left, waited, nil
		}
		if wait.Due() {
			wait.Show(progress.Status{Message: "waiting for sessions of an earlier run", TimeName: "waited",
				Facts: []progress.Fact{{Name: "session", Value: left[0].String(), Bar: fmt.Sprintf("pid %d", left[0].PID)}, lock.WaitLimit(limit - waited)}})
		}
	}
}

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

func describe(sessions []toolrun.ToolSession) []string {
	var out []string
	for _, s := range sessions {
		out = append(out, s.String())
	}
	return out
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

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
			r.o.Log.Warn("tool exited, waiting for its database sessions", "sessions", s.openSessions(), "prepared_transactions", len(now.Prepared), "for_up_to", s.limit)
		}
		if err := s.endOwnSessions(ctx); err != nil {
			return s.leftovers(false, now), err
		}
		if err := pause(ctx, wait); err != nil {
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
