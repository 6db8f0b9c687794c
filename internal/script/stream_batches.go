package script

import (
	"errors"
	"io"
	"strings"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// manyInserts is the number of consecutive INSERTs from which statements are not reported one by
// one. Other statements are fewer and may run for long: running them again to find the one that
// failed would cost more than reporting them.
const manyInserts = 32

// A streamBatches reads the batches of a streamed script.
type streamBatches struct {
	script *Script
	r      *sqlfile.Reader
	held   *sqlfile.Piece // statement that was read and belongs to the next batch
	seen   int            // statements, including the file's own BEGIN and COMMIT

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

// next returns the next batch, and io.EOF after the last one.
func (w *streamBatches) next() (Batch, error) {
	for {
		p, err := w.read()
		switch {
		case errors.Is(err, io.EOF) && w.r.Sum() != w.script.Sum:
			return Batch{}, &ScriptError{File: w.script.Name, Problem: "the file was changed while it was being read, and was rolled back"}
		case errors.Is(err, io.EOF) && len(w.places) > 0:
			return w.batch(), nil
		case err != nil:
			return Batch{}, err
		}
		st, _ := parseIfRelevant(p)
		switch {
		case p.Kind == sqlfile.Blank:
			w.add(p, string(p.Text))
		case p.Kind == sqlfile.PsqlLine:
			w.add(p, "\n")
		case w.isOwnTransaction():
			w.seen++
			w.add(p, blanked(string(p.Text)))
		case w.endsBefore(p, st):
			w.held = &p
			return w.batch(), nil
		case p.CopyIn:
			w.text.Reset()
			return w.copyBatch(p)
		default:
			if w.addStatement(p, st) {
				return w.batch(), nil
			}
		}
	}
}

// read reads a piece. Its errors are those of the file, not of the database.
func (w *streamBatches) read() (sqlfile.Piece, error) {
	if p := w.held; p != nil {
		w.held = nil
		return *p, nil
	}
	p, err := w.r.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		err = fileError(w.script.Name, err)
	}
	return p, err
}

// isOwnTransaction reports whether the next statement is the BEGIN or COMMIT around the file.
func (w *streamBatches) isOwnTransaction() bool {
	t := w.script.Stream
	return t.wrapped && (w.seen == 0 || w.seen == t.count+1)
}

// endsBefore reports whether there is a batch that ends before a statement.
func (w *streamBatches) endsBefore(p sqlfile.Piece, st Statement) bool {
	switch {
	case len(w.places) == 0:
		return false
	case p.CopyIn:
		return true
	case w.places[0].setting && !st.SetsTransaction:
		return true // SET TRANSACTION must precede any query, and therefore the savepoint
	}
	return w.inserts >= manyInserts && p.Word != "insert"
}

// addStatement adds a statement, and reports whether the batch is full.
func (w *streamBatches) addStatement(p sqlfile.Piece, st Statement) (full bool) {
	w.seen++
	if len(w.places) == 0 && w.inserts >= manyInserts && p.Word != "insert" {
		w.text.Reset()
	}
	w.add(p, string(p.Text))
	end := w.text.Len()
	w.places = append(w.places, span{from: end - len(p.Text) + p.Start, to: end, setting: st.SetsTransaction, unmarked: st.MayDropPlpgsql})
	if w.inserts++; p.Word != "insert" {
		w.inserts, w.otherStatements = 0, true
	}
	return end >= w.script.Stream.BatchBytes || w.otherStatements && w.inserts == manyInserts
}

func (w *streamBatches) add(p sqlfile.Piece, text string) {
	if w.text.Len() == 0 {
		w.origin = origin{Lines: p.Line - 1, Columns: p.Column}
	}
	w.text.WriteString(text)
	w.end = p.Offset + int64(len(p.Text))
}

// batch returns the batch of the statements that were added.
func (w *streamBatches) batch() Batch {
	s := w.newBatch(w.text.String(), w.origin)
	s.StatementsBefore = w.statementsBefore(len(w.places))
	for _, p := range w.places {
		text := TrimSemicolon(s.SQL[p.from:p.to])
		s.Statements = append(s.Statements, Statement{Text: text, Offset: p.from, SetsTransaction: p.setting, MayDropPlpgsql: p.unmarked})
	}
	s.Unannounced = !w.script.Stream.savepoints && !w.otherStatements
	w.text, w.places, w.otherStatements = strings.Builder{}, w.places[:0], false
	return Batch{Script: s, Last: len(s.Statements), To: len(s.SQL), End: w.end}
}

// statementsBefore returns the number of statements before the last n that were read.
func (w *streamBatches) statementsBefore(n int) int {
	if w.script.Stream.wrapped {
		n++ // the file's own BEGIN is not counted
	}
	return w.seen - n
}

// newBatch returns a script for a section of the file.
func (w *streamBatches) newBatch(sql string, before origin) *Script {
	s := w.script
	return &Script{Name: s.Name, SQL: sql, Begin: s.Begin, Transactional: true, Parsed: true, Origin: before}
}

// copyBatch returns the batch of a COPY; the next pieces are its data.
func (w *streamBatches) copyBatch(p sqlfile.Piece) (Batch, error) {
	w.seen++
	s := w.newBatch(string(p.Text[p.Start:]), origin{Lines: LineInPiece(p, p.Start) - 1, Columns: columnInPiece(p, p.Start)})
	s.Statements, s.StatementsBefore = []Statement{{Text: TrimSemicolon(s.SQL)}}, w.statementsBefore(1)
	next, err := w.read()
	if err == nil && next.Kind == sqlfile.Blank { // rest of its line
		next, err = w.read()
	}
	if err != nil {
		return Batch{}, err
	}
	rows := func(send func(string) error) error {
		for next.Kind == sqlfile.Rows {
			if err := send(trimChunk(next.Text)); err != nil {
				return err
			}
			if next, err = w.read(); err != nil {
				return err
			}
		}
		return nil
	}
	return Batch{Script: s, Last: 1, To: len(s.SQL), CopyRows: rows, Line: next.Line, Start: next.Offset}, nil
}
