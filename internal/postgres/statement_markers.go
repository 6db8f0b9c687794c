package postgres

import (
	"cmp"
	"fmt"
	"strings"
)

// composedSQL is the text of a query as it is sent, with a mapping from its offsets to the
// offsets in the file.
type composedSQL struct {
	sql   string
	spans []sentSpan
}

// A sentSpan is a range of the file within the text that is sent.
type sentSpan struct{ sent, file, length int }

// openingSQL returns the SQL before a script that is one transaction, which begin opens, and
// whether it creates the version table. Like golang-migrate, it creates a missing version table
// first: the first migration may grant privileges on it.
func (db *DB) openingSQL(s *Script, begin string) (head string, creates bool) {
	head = begin + db.timeoutsSQL("SET LOCAL", db.opts.LockTimeout)
	if s.needsEndGuard() {
		head += endGuardOpen
	}
	// The first migration may create the schema of the version table.
	if creates = !s.startsWithSetTransaction() && !db.tables.noSchema; creates {
		head += db.createVersionTableSQL()
	}
	if !s.startsWithSetTransaction() {
		head += db.lossBaselineSQL()
	}
	return head, creates
}

// startsWithSetTransaction reports whether the script starts with a statement that PostgreSQL
// accepts only before any query.
func (s *Script) startsWithSetTransaction() bool {
	if s.stream != nil {
		return s.stream.startsWithSetTransaction
	}
	return len(s.Statements) > 0 && s.Statements[0].setsTransaction
}

// titleComment returns an SQL comment that shows the file's name in pg_stat_activity and in the
// server's log.
func (s *Script) titleComment() string {
	if s.Name == "" {
		return ""
	}
	return "/* " + strings.NewReplacer("*", "", "\x00", "").Replace(cmp.Or(s.shown, s.Name)) + " */ "
}

// compose puts head before the statements [first, last) of a script, the range [from, to) of
// its text, and markers between them: with a marker the server reports that the next statement
// starts. When one query holds several statements and one fails, the server does not report
// which one, unless the error has a position. An INFO message reaches the client whatever
// client_min_messages is, immediately, and also from a transaction that fails.
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
		marker := ""
		if i > first && !s.unannounced {
			marker = fmt.Sprintf("DO $shiplock$BEGIN RAISE INFO '%s%d'; END$shiplock$; ", markerPrefix, i)
		}
		if marker += db.lossGuardSQL(st); marker == "" {
			continue
		}
		add(from, st.Offset)
		out.WriteString(marker)
		from = st.Offset
	}
	add(from, to)
	c.sql = out.String()
	return c
}

// fileOffset returns the offset in the file for an offset in the sent text; -1 for -1 and for
// text that is not from the file.
func (c composedSQL) fileOffset(sent int) int {
	for _, p := range c.spans {
		if sent >= p.sent && sent <= p.sent+p.length {
			return p.file + sent - p.sent
		}
	}
	return -1
}
