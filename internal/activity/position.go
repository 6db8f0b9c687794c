package activity

import (
	"strings"
	"sync"
	"time"

	"github.com/shiplock/shiplock/internal/script"
)

// PositionTracker holds the position of a run. A watcher may read it while another goroutine
// changes it.
type PositionTracker struct {
	mu sync.Mutex
	position
}

// position is where a run is at one moment. The zero value is before the first migration.
type position struct {
	file       string
	number, of int // of the migration in the plan; 0 if it is the only one
	statements int
	size       int64 // file size in bytes
	began      time.Time

	script           *script.Script // script that was sent last
	statement        int            // index in script, or -1 if the server does not report it
	statementsBefore int            // statements of the file before script
	since            time.Time      // start of the statement
	sent             int64          // bytes of the file
	activity         string         // activity other than a statement, such as committing
}

// StartMigration records the start of a migration.
func (p *PositionTracker) StartMigration(s *script.Script, number, of int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.position = position{file: s.Name, number: number, of: of, statements: s.Count(), size: s.Size(), began: now, since: now, statement: -1}
}

// StartStatement records the start of a statement.
func (p *PositionTracker) StartStatement(s *script.Script, statement int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script, p.statement, p.statementsBefore, p.since, p.activity = s, statement, s.StatementsBefore, time.Now(), ""
}

// Advance records the start of a statement that the server reported.
func (p *PositionTracker) Advance(statement int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.statement, p.since = statement, time.Now()
}

// SetSent records how many bytes of the file have been sent.
func (p *PositionTracker) SetSent(sent int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = sent
}

// SetActivity records an activity that is not a statement of the file.
func (p *PositionTracker) SetActivity(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.activity, p.since = what, time.Now()
}

func (p *PositionTracker) snapshot() position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.position
}

// currentStatement returns the running statement, if known.
func (p position) currentStatement() (st script.Statement, number, line int, known bool) {
	if p.script == nil || p.activity != "" || p.statement < 0 || p.statement >= len(p.script.Statements) {
		return script.Statement{}, 0, 0, false
	}
	st = p.script.Statements[p.statement]
	return st, p.statementsBefore + p.statement + 1, p.script.Origin.Lines + p.script.LineOf(st), true
}

// StatementPrefix returns the start of a statement up to the first string constant, which may be a
// password.
func StatementPrefix(sql string) string {
	const enough = 200
	head := sql[:min(len(sql), enough)]
	if i := strings.IndexAny(head, `'$`); i >= 0 {
		head = head[:strings.LastIndexAny(head[:i], " \t\r\n(,")+1] + " …"
	}
	return script.FirstWords(strings.ToValidUTF8(head, ""))
}
