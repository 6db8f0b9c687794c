package script

import (
	"errors"
	"io"
	"strings"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// eachBatch reads the file again and calls send with its batches.
func (t *stream) eachBatch(s *Script, send func(Batch) error) error {
	return WithFile(s.Name, t.Open, func(from io.Reader) error {
		w := batcher{script: s, send: send, r: sqlfile.NewReader(from)}
		return w.run()
	})
}

// manyInserts is the number of consecutive INSERTs from which statements are not reported one by
// one. Other statements are fewer and may run for long: running them again to find the one that
// failed would cost more than reporting them.
const manyInserts = 32

// A batcher collects the statements of the next batch of a streamed script.
type batcher struct {
	script *Script
	send   func(Batch) error
	r      *sqlfile.Reader
	seen   int // statements, including the file's own BEGIN and COMMIT

	// inserts counts the INSERTs at the end of text. otherStatements reports whether text contains
	// anything else.
	inserts         int
	otherStatements bool

	text   strings.Builder
	places []span // statements in text
	origin origin
	end    int64 // offset in the file of the end of text
}

// span is the range [from, to) of a statement in a text.
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
	if w.r.Sum() != w.script.Sum {
		return &ScriptError{File: w.script.Name, Problem: "the file was changed while it was being read, and was rolled back"}
	}
	return w.flush()
}

// next reads a piece. Its errors are those of the file, not of the database.
func (w *batcher) next() (sqlfile.Piece, error) {
	p, err := w.r.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		err = fileError(w.script.Name, err)
	}
	return p, err
}

// addPiece adds a piece and sends the batch if it is full.
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
	t := w.script.Stream
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
	if first := len(w.places) > 0 && w.places[0].setting; first && !st.SetsTransaction {
		// SET TRANSACTION must precede any query, and therefore the savepoint.
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.add(p, string(p.Text))
	end := w.text.Len()
	w.places = append(w.places, span{from: end - len(p.Text) + p.Start, to: end, setting: st.SetsTransaction, unmarked: st.MayDropPlpgsql})
	if w.inserts++; !insert {
		w.inserts, w.otherStatements = 0, true
	}
	if end >= t.BatchBytes || w.otherStatements && w.inserts == manyInserts {
		return w.flush()
	}
	return nil
}

func (w *batcher) add(p sqlfile.Piece, text string) {
	if w.text.Len() == 0 {
		w.origin = origin{Lines: p.Line - 1, Columns: p.Column}
	}
	w.text.WriteString(text)
	w.end = p.Offset + int64(len(p.Text))
}

// flush sends the batch.
func (w *batcher) flush() error {
	if len(w.places) == 0 {
		w.text.Reset()
		return nil
	}
	s := w.newBatch(w.text.String(), w.origin)
	s.StatementsBefore = w.statementsBefore(len(w.places))
	for _, p := range w.places {
		text := TrimSemicolon(s.SQL[p.from:p.to])
		s.Statements = append(s.Statements, Statement{Text: text, Offset: p.from, SetsTransaction: p.setting, MayDropPlpgsql: p.unmarked})
	}
	s.Unannounced = !w.script.Stream.savepoints && !w.otherStatements
	w.text, w.places, w.otherStatements = strings.Builder{}, w.places[:0], false
	return w.send(Batch{Script: s, Last: len(s.Statements), To: len(s.SQL), End: w.end})
}

// statementsBefore returns the number of statements before the last n that were read.
func (w *batcher) statementsBefore(n int) int {
	if w.script.Stream.wrapped {
		n++ // the file's own BEGIN is not counted
	}
	return w.seen - n
}

// newBatch returns a script for a section of the file.
func (w *batcher) newBatch(sql string, before origin) *Script {
	s := w.script
	return &Script{Name: s.Name, SQL: sql, Begin: s.Begin, Transactional: true, Parsed: true, Origin: before}
}

// sendCopy sends a COPY; the next pieces are its data.
func (w *batcher) sendCopy(p sqlfile.Piece) error {
	s := w.newBatch(string(p.Text[p.Start:]), origin{Lines: LineInPiece(p, p.Start) - 1, Columns: columnInPiece(p, p.Start)})
	s.Statements, s.StatementsBefore = []Statement{{Text: TrimSemicolon(s.SQL)}}, w.statementsBefore(1)
	next, err := w.next()
	if err == nil && next.Kind == sqlfile.Blank { // rest of its line
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
	return w.send(Batch{Script: s, Last: 1, To: len(s.SQL), CopyRows: rows, Line: next.Line, Start: next.Offset})
}

// EachBatch calls send with every batch of a script that runs in one transaction.
func (s *Script) EachBatch(send func(Batch) error) error {
	if s.Stream != nil {
		return s.Stream.eachBatch(s, send)
	}
	for _, p := range s.Batches(0, len(s.Statements), 0, len(s.SQL)) {
		if err := send(p); err != nil {
			return err
		}
	}
	return nil
}
