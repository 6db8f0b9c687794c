package postgres

import (
	"strings"
	"sync"
	"time"
)

// position is where a run is. Whoever watches may read it while another goroutine
// moves it.
type positionTracker struct {
	mu sync.Mutex
	position
}

// spot is a position at one time. The zero value is before the first migration.
type position struct {
	file       string
	number, of int // of the migration in the plan; 0 where it is alone
	statements int
	size       int64 // of the file, in bytes
	began      time.Time

	script           *Script   // what was sent last
	statement        int       // its index in there, -1 where the server does not say
	statementsBefore int       // statements of the file before the script's first
	since            time.Time // when the statement began
	sent             int64     // bytes of the file
	activity         string    // what is done instead of a statement: "committing"
}

// enter begins a migration.
func (p *positionTracker) startMigration(s *Script, number, of int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.position = position{file: s.Name, number: number, of: of, statements: s.Count(), size: s.size(), began: now, since: now, statement: -1}
}

// reach says that a statement begins.
func (p *positionTracker) startStatement(s *Script, statement int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script, p.statement, p.statementsBefore, p.since, p.activity = s, statement, s.statementsBefore, time.Now(), ""
}

// next is reach for what the server has announced.
func (p *positionTracker) advance(statement int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.statement, p.since = statement, time.Now()
}

// pass says how much of the file has been sent.
func (p *positionTracker) setSent(sent int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = sent
}

// do says what is done that is no statement of the file.
func (p *positionTracker) setActivity(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.activity, p.since = what, time.Now()
}

func (p *positionTracker) snapshot() position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.position
}

// current is the statement that runs, if that is known.
func (p position) currentStatement() (st Statement, number, line int, known bool) {
	if p.script == nil || p.activity != "" || p.statement < 0 || p.statement >= len(p.script.Statements) {
		return Statement{}, 0, 0, false
	}
	st = p.script.Statements[p.statement]
	return st, p.statementsBefore + p.statement + 1, p.script.origin.lines + p.script.lineOf(st), true
}

// size of the file, in bytes.
func (s *Script) size() int64 {
	if s.stream != nil {
		return s.stream.size
	}
	return int64(len(s.Text))
}

// beginning is enough of a statement to know it by, up to the first that is quoted:
// a password may be what comes there.
func statementPrefix(sql string) string {
	const enough = 200
	head := sql[:min(len(sql), enough)]
	if i := strings.IndexAny(head, `'$`); i >= 0 {
		head = head[:strings.LastIndexAny(head[:i], " \t\r\n(,")+1] + " …"
	}
	return firstWords(strings.ToValidUTF8(head, ""))
}
