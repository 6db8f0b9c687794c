package batch

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/script"
)

// composedSQL is the text of a query as it is sent, with a mapping from its offsets to the
// offsets in the file.
type composedSQL struct {
	sql   string
	spans []sentSpan
}

// A sentSpan is a range of the file within the text that is sent.
type sentSpan struct{ sent, file, length int }

// compose puts head before the statements [first, last) of a script, the range [from, to) of
// its text, and markers between them: with a marker the server reports that the next statement
// starts. When one query holds several statements and one fails, the server does not report
// which one, unless the error has a position. An INFO message reaches the client whatever
// client_min_messages is, immediately, and also from a transaction that fails.
func (sender *Sender) compose(s *script.Script, head string, first, last, from, to int) composedSQL {
	var out strings.Builder
	var c composedSQL
	out.WriteString(head)
	add := func(from, to int) {
		c.spans = append(c.spans, sentSpan{sent: out.Len(), file: from, length: to - from})
		out.WriteString(s.SQL[from:to])
	}
	for i := first; i < last && sender.session.Server.Plpgsql && (i == first || !s.Statements[i-1].MayDropPlpgsql); i++ {
		st := s.Statements[i]
		if st.SetsTransaction || st.Control != script.ControlNone {
			continue // SET TRANSACTION must come before any query
		}
		marker := ""
		if i > first && !s.Unannounced {
			marker = fmt.Sprintf("DO $shiplock$BEGIN RAISE INFO '%s%d'; END$shiplock$; ", markerPrefix, i)
		}
		if marker += sender.losses.GuardSQL(st); marker == "" {
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
