package postgres

import (
	"errors"
	"io"
	"strings"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// each reads the file again and calls send with its portions.
func (t *stream) eachBatch(s *Script, send func(batch) error) error {
	return reading(s.Name, t.open, func(from io.Reader) error {
		w := batcher{script: s, send: send, r: sqlfile.NewReader(from)}
		return w.run()
	})
}

// manyInserts is how many INSERTs in a row are not announced one by one. Of other
// statements there are fewer, and each may take long: to run it again, only to
// learn that it was not the one that failed, would cost more than to announce it.
const manyInserts = 32

// window is the stretch of a stream that is sent next.
type batcher struct {
	script *Script
	send   func(batch) error
	r      *sqlfile.Reader
	seen   int // statements, with the file's own BEGIN and COMMIT

	// inserts counts the INSERTs at the end of text; mixed says that there is more in it.
	inserts         int
	otherStatements bool

	text   strings.Builder
	places []span // of the statements in text
	origin origin
	end    int64 // of text, in the file
}

// span is a statement: [from, to) of a text.
type span struct {
	from, to          int
	setting, unmarked bool
}

func (w *batcher) run() error {
	for {
		p, err := w.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := w.addPiece(p); err != nil {
			return err
		}
	}
	if w.r.Sum() != w.script.sum {
		return &ScriptError{File: w.script.Name, Problem: "the file was changed while it was being read; nothing of it was kept"}
	}
	return w.flush()
}

// next is the reader's. What ends it is the file's fault, and not the database's.
func (w *batcher) next() (sqlfile.Piece, error) {
	p, err := w.r.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		err = unreadable(w.script.Name, err)
	}
	return p, err
}

// take adds a piece, and sends what there is when that is enough.
func (w *batcher) addPiece(p sqlfile.Piece) error {
	switch p.Kind {
	case sqlfile.Blank:
		w.add(p, string(p.Text))
		return nil
	case sqlfile.PsqlLine:
		w.add(p, "\n")
		return nil
	}
	w.seen++
	t := w.script.stream
	if t.wrapped && (w.seen == 1 || w.seen == t.count+2) {
		w.add(p, blanked(string(p.Text)))
		return nil
	}
	if p.CopyIn {
		if err := w.flush(); err != nil {
			return err
		}
		return w.sendCopy(p)
	}
	st, _ := parseIfRelevant(p)
	insert := p.Word == "insert"
	if !insert && w.inserts >= manyInserts {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if first := len(w.places) > 0 && w.places[0].setting; first && !st.setsTransaction {
		// SET TRANSACTION comes before any query, so before a savepoint.
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.add(p, string(p.Text))
	end := w.text.Len()
	w.places = append(w.places, span{from: end - len(p.Text) + p.Start, to: end, setting: st.setsTransaction, unmarked: st.mayDropPlpgsql})
	if w.inserts++; !insert {
		w.inserts, w.otherStatements = 0, true
	}
	if end >= t.window || w.otherStatements && w.inserts == manyInserts {
		return w.flush()
	}
	return nil
}

func (w *batcher) add(p sqlfile.Piece, text string) {
	if w.text.Len() == 0 {
		w.origin = origin{lines: p.Line - 1, columns: p.Column}
	}
	w.text.WriteString(text)
	w.end = p.Offset + int64(len(p.Text))
}

// flush sends what there is.
func (w *batcher) flush() error {
	if len(w.places) == 0 {
		w.text.Reset()
		return nil
	}
	s := w.newBatch(w.text.String(), w.origin)
	s.statementsBefore = w.statementsBefore(len(w.places))
	for _, p := range w.places {
		text := trimSemicolon(s.SQL[p.from:p.to])
		s.Statements = append(s.Statements, Statement{Text: text, Offset: p.from, setsTransaction: p.setting, mayDropPlpgsql: p.unmarked})
	}
	s.unannounced = !w.script.stream.savepoints && !w.otherStatements
	w.text, w.places, w.otherStatements = strings.Builder{}, w.places[:0], false
	return w.send(batch{script: s, last: len(s.Statements), to: len(s.SQL), end: w.end})
}

// ahead is how many statements of the script come before the last n that were seen.
func (w *batcher) statementsBefore(n int) int {
	if w.script.stream.wrapped {
		n++ // the file's own BEGIN is none
	}
	return w.seen - n
}

// piece is a script of its own, for a stretch of the file.
func (w *batcher) newBatch(sql string, before origin) *Script {
	s := w.script
	return &Script{Name: s.Name, SQL: sql, Begin: s.Begin, Transactional: true, Parsed: true, origin: before, guarded: s.guarded, own: s.own}
}

// copyRows sends a COPY, whose rows are the next pieces.
func (w *batcher) sendCopy(p sqlfile.Piece) error {
	s := w.newBatch(string(p.Text[p.Start:]), origin{lines: lineInPiece(p, p.Start) - 1, columns: columnInPiece(p, p.Start)})
	s.Statements, s.statementsBefore = []Statement{{Text: trimSemicolon(s.SQL)}}, w.statementsBefore(1)
	next, err := w.next()
	if err == nil && next.Kind == sqlfile.Blank { // the rest of its line
		next, err = w.next()
	}
	if err != nil {
		return err
	}
	rows := func(send func(string) error) error {
		for next.Kind == sqlfile.Rows {
			if err := send(trimChunk(next.Text)); err != nil {
				return err
			}
			if next, err = w.next(); err != nil {
				return err
			}
		}
		return nil
	}
	return w.send(batch{script: s, last: 1, to: len(s.SQL), copyRows: rows, line: next.Line, start: next.Offset})
}
