// Package sqlfile reads a file of SQL like psql: statement by statement, with psql commands
// and the rows of COPY … FROM stdin. It holds at most one statement in memory, and parses
// SQL only as far as necessary to find the end of a statement.
package sqlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// An Error reports a file that cannot be run. Nothing of it was run.
type Error struct {
	File    string
	Line    int // from 1; 0 for the file as a whole
	Problem string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Problem
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem)
}

// A Kind is the kind of a Piece.
type Kind int

// Values of Kind.
const (
	Statement Kind = iota // with the comments before it, and its semicolon
	Blank                 // white space, comments, and semicolons without a statement
	PsqlLine              // \restrict or \unrestrict, to the end of the line
	Rows                  // whole lines of COPY data, see Reader.Next
	RowsEnd               // the line \.
)

// A Piece is a consecutive part of a file. All pieces together are the file without its
// byte order mark.
type Piece struct {
	Kind Kind
	Text []byte // valid until the next call of Next
	// Offset is the offset of Text in bytes, in the file without its byte order mark.
	Offset int64
	Line   int // of Text, from 1
	Column int // of Text, in characters from 0
	// Start is the index in Text of the first word of a statement.
	Start int
	// Word is the first word of a statement in lower case; empty if it does not begin with a word.
	Word string
	// CopyIn reports whether rows follow.
	CopyIn bool
}

// Sizes of one read. Most files are small, and there may be ten thousand of them.
const (
	minChunk = 2 << 10
	maxChunk = 64 << 10
)

// maxRows is the approximate maximum size of one piece of COPY data, in bytes.
const maxRows = 64 << 10

// A Reader splits a file into pieces. It is not safe for concurrent use.
type Reader struct {
	from     io.Reader
	storage  []byte // backing array of buf
	buf      []byte // bytes read; the first consumed bytes are those of the last piece
	consumed int    // length of the last piece in buf
	offset   int64  // of buf
	line     int    // of buf, from 1
	column   int
	chunk    int   // bytes to read next
	read     error // that ended reading
	text     encodingCheck
	started  bool
	digest   digest

	copying  copying
	copyLine int // of that COPY
}

// copying is the position within a COPY … FROM stdin.
type copying int

const (
	copyingNothing copying = iota
	copyingLine            // in the rest of its line
	copyingRows
)

// NewReader returns a Reader that splits the bytes of from.
func NewReader(from io.Reader) *Reader {
	return &Reader{from: from, line: 1, chunk: minChunk, text: encodingCheck{line: 1}, digest: newDigest()}
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

// piece returns the next n bytes as a piece.
func (r *Reader) piece(kind Kind, n int) Piece {
	r.consumed = n
	return Piece{Kind: kind, Text: r.buf[:n:n], Offset: r.offset, Line: r.line, Column: r.column}
}

// discard drops the last piece.
func (r *Reader) discard() {
	text := r.buf[:r.consumed]
	r.offset += int64(len(text))
	r.line += bytes.Count(text, []byte("\n"))
	if last := bytes.LastIndexByte(text, '\n'); last >= 0 {
		r.column, text = 0, text[last+1:]
	}
	r.column += runes(text)
	r.buf, r.consumed = r.buf[r.consumed:], 0
}

// at returns the byte at i of the unread text, or 0 at the end: no text contains a NUL.
func (r *Reader) at(i int) byte {
	if i < len(r.buf) {
		return r.buf[i]
	}
	return r.readTo(i)
}

func (r *Reader) readTo(i int) byte {
	for i >= len(r.buf) && r.read == nil {
		r.fill()
	}
	if i < len(r.buf) {
		return r.buf[i]
	}
	return 0
}

// fill reads more bytes. Invalid text ends reading.
func (r *Reader) fill() {
	if cap(r.buf)-len(r.buf) < r.chunk {
		if len(r.storage)-len(r.buf) < r.chunk {
			r.storage = make([]byte, 2*len(r.buf)+2*r.chunk)
		}
		r.buf = r.storage[:copy(r.storage, r.buf)]
	}
	n, err := r.from.Read(r.buf[len(r.buf) : len(r.buf)+r.chunk])
	r.chunk = min(2*r.chunk, maxChunk)
	added := r.buf[len(r.buf) : len(r.buf)+n]
	if bad := r.text.next(added, errors.Is(err, io.EOF)); bad != nil {
		r.read = bad
		return
	}
	r.buf, r.read = r.buf[:len(r.buf)+n], err
}

// readError returns the error that ended reading, except io.EOF.
func (r *Reader) readError() error {
	if errors.Is(r.read, io.EOF) {
		return nil
	}
	return r.read
}

// indexAfter returns the index after the next byte c from i on, or the end.
func (r *Reader) indexAfter(i int, c byte) int {
	for {
		if i < len(r.buf) {
			if n := bytes.IndexByte(r.buf[i:], c); n >= 0 {
				return i + n + 1
			}
			i = len(r.buf)
		}
		if r.readTo(i) == 0 {
			return i
		}
	}
}
