package postgres

import (
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

// compose puts BEGIN before a script and, between its statements, markers: a
// message from the server that the next statement starts. When one query holds
// several statements and one fails, the server does not say which, unless the
// error has a position. An INFO reaches the client whatever client_min_messages
// is, at once, and also out of a transaction that fails.
func (db *DB) compose(s *Script) composed {
	var out strings.Builder
	var c composed
	out.WriteString(s.Begin + ";\n")
	if !s.Parsed {
		out.WriteString(guardOpen)
	}
	add := func(from, to int) {
		c.pieces = append(c.pieces, piece{sent: out.Len(), file: from, length: to - from})
		out.WriteString(s.SQL[from:to])
	}
	at := 0
	if db.Server.plpgsql {
		for i, st := range s.Statements {
			if i == 0 || st.setting {
				continue // SET TRANSACTION, for one, must come before any query
			}
			add(at, st.Offset)
			fmt.Fprintf(&out, "DO $shiplock$BEGIN RAISE INFO '%s%d'; END$shiplock$; ", markerPrefix, i)
			at = st.Offset
		}
	}
	add(at, len(s.SQL))
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
