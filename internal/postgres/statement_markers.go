package postgres

import (
	"cmp"
	"fmt"
	"strings"
)

// composed is the text of a transaction as it is sent, with the way back from a
// place in it to the place in the file.
type composedSQL struct {
	sql   string
	spans []sentSpan
}

// piece is a stretch of the file within the text that is sent.
type sentSpan struct{ sent, file, length int }

// opening is the SQL before a script that is one transaction, which begin opens.
// Where the version table is yet to be made it is made first, as golang-migrate
// does it: a first migration may grant rights on it.
func (db *DB) openingSQL(s *Script, begin string) (head string, creates bool) {
	head = begin + db.timeoutsSQL("SET LOCAL", db.opts.LockTimeout)
	if s.needsEndGuard() {
		head += endGuardOpen
	}
	// A schema that does not exist yet may be what the first migration creates.
	if creates = !s.startsWithSetTransaction() && !db.tables.noSchema; creates {
		head += db.createVersionTableSQL()
	}
	if !s.startsWithSetTransaction() {
		head += db.lossBaselineSQL(s)
	}
	return head, creates
}

// setsFirst says that the script begins with what PostgreSQL wants before any query.
func (s *Script) startsWithSetTransaction() bool {
	if s.stream != nil {
		return s.stream.setting
	}
	return len(s.Statements) > 0 && s.Statements[0].setsTransaction
}

// title is a comment by which pg_stat_activity and the server's log tell the file.
func (s *Script) titleComment() string {
	if s.Name == "" {
		return ""
	}
	return "/* " + strings.NewReplacer("*", "", "\x00", "").Replace(cmp.Or(s.shown, s.Name)) + " */ "
}

// compose puts head before the statements [first, last) of a script, which stand
// at [from, to) of its text. Between them it puts markers: a message from the
// server that the next statement starts. When one query holds several statements
// and one fails, the server does not say which, unless the error has a position.
// An INFO reaches the client whatever client_min_messages is, at once, and also
// out of a transaction that fails.
func (db *DB) compose(s *Script, head string, first, last, from, to int) composedSQL {
	var out strings.Builder
	var c composedSQL
	out.WriteString(head)
	add := func(from, to int) {
		c.spans = append(c.spans, sentSpan{sent: out.Len(), file: from, length: to - from})
		out.WriteString(s.SQL[from:to])
	}
	for i := first; i < last && db.Server.plpgsql && (i == first || !s.Statements[i-1].mayDropPlpgsql); i++ {
		st := s.Statements[i]
		if st.setsTransaction || st.control != controlNone {
			continue // SET TRANSACTION must come before any query
		}
		ahead := ""
		if i > first && !s.unannounced {
			ahead = fmt.Sprintf("DO $shiplock$BEGIN RAISE INFO '%s%d'; END$shiplock$; ", markerPrefix, i)
		}
		if ahead += db.lossGuardSQL(s, st); ahead == "" {
			continue
		}
		add(from, st.Offset)
		out.WriteString(ahead)
		from = st.Offset
	}
	add(from, to)
	c.sql = out.String()
	return c
}

// fileOffset translates an offset of the sent text; -1 stays -1, and so does a
// place that is not of the file.
func (c composedSQL) fileOffset(sent int) int {
	for _, p := range c.spans {
		if sent >= p.sent && sent <= p.sent+p.length {
			return p.file + sent - p.sent
		}
	}
	return -1
}
