package postgres

import (
	"cmp"
	"fmt"
	"strings"
)

// composed is the text of a transaction as it is sent, with the way back from a
// place in it to the place in the file.
type composed struct {
	sql    string
	pieces []piece
}

// piece is a stretch of the file within the text that is sent.
type piece struct{ sent, file, length int }

// opening is the SQL before a script that is one transaction, which begin opens.
// Where the version table is yet to be made it is made first, as golang-migrate
// does it: a first migration may grant rights on it.
func (db *DB) opening(s *Script, begin string) (head string, creates bool) {
	head = begin + db.limits("SET LOCAL", db.opts.LockTimeout)
	if s.watchesEnd() {
		head += guardOpen
	}
	// A schema that does not exist yet may be what the first migration creates.
	if creates = !s.setsFirst() && !db.tables.noSchema; creates {
		head += db.createTable()
	}
	if !s.setsFirst() {
		head += db.lossBaseline(s)
	}
	return head, creates
}

// setsFirst says that the script begins with what PostgreSQL wants before any query.
func (s *Script) setsFirst() bool {
	if s.stream != nil {
		return s.stream.setting
	}
	return len(s.Statements) > 0 && s.Statements[0].setting
}

// title is a comment by which pg_stat_activity and the server's log tell the file.
func (s *Script) title() string {
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
func (db *DB) compose(s *Script, head string, first, last, from, to int) composed {
	var out strings.Builder
	var c composed
	out.WriteString(head)
	add := func(from, to int) {
		c.pieces = append(c.pieces, piece{sent: out.Len(), file: from, length: to - from})
		out.WriteString(s.SQL[from:to])
	}
	for i := first; i < last && db.Server.plpgsql && (i == first || !s.Statements[i-1].unmarked); i++ {
		st := s.Statements[i]
		if st.setting || st.control != controlNone {
			continue // SET TRANSACTION must come before any query
		}
		ahead := ""
		if i > first && !s.unseen {
			ahead = fmt.Sprintf("DO $shiplock$BEGIN RAISE INFO '%s%d'; END$shiplock$; ", markerPrefix, i)
		}
		if ahead += db.lossGuard(s, st); ahead == "" {
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
func (c composed) fileOffset(sent int) int {
	for _, p := range c.pieces {
		if sent >= p.sent && sent <= p.sent+p.length {
			return p.file + sent - p.sent
		}
	}
	return -1
}
