// Package sqlfile reads a file of SQL like psql: statement by statement, with psql commands
// and the rows of COPY … FROM stdin. It holds at most one statement in memory, and parses
// SQL only as far as necessary to find the end of a statement.
//
// A [Reader] splits a file into a [Piece] at a time. [Checksum] covers what changes a migration,
// and [MatchLineEndings] recognizes a change of line endings alone. [ReadDirectives] reads the
// directives above the first statement. source reads the files of a catalog with it, and postgres
// the files that it runs.
package sqlfile

import (
	"bytes"
	"io"
)

// A Reader splits a file into pieces. It is not safe for concurrent use.
type Reader struct {
	splitter
	started bool
}

// NewReader returns a Reader that splits the bytes of from.
func NewReader(from io.Reader) *Reader {
	return &Reader{splitter: splitter{input: newInput(from), line: 1, digest: newDigest()}}
}

// Next returns the next piece, io.EOF after the last one, an *Error without File if the
// file cannot be run, or the error of the underlying reader.
//
// After a statement with CopyIn, Next returns a Blank if there is more on its line, then
// Rows of maxRows bytes or one line each, and then RowsEnd.
func (r *Reader) Next() (Piece, error) {
	r.discard()
	if err := r.begin(); err != nil {
		return Piece{}, err
	}
	if r.copying == copyingLine && r.at(0) != 0 {
		return r.restOfLine()
	}
	if r.copying != copyingNothing {
		return r.rows()
	}
	switch r.at(0) {
	case 0:
		return Piece{}, r.read
	case '\\':
		return r.psqlLine()
	}
	return r.statement()
}

// Sum returns the checksum of the bytes read so far; see Checksum.
func (r *Reader) Sum() string { return r.digest.sum() }

// begin skips a byte order mark.
func (r *Reader) begin() error {
	if r.started {
		return nil
	}
	r.started = true
	r.at(2)
	r.buf = bytes.TrimPrefix(r.buf, []byte("\ufeff"))
	return r.readError()
}
