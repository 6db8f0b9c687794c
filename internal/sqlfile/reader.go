// Package sqlfile reads a file of SQL the way psql reads it: statement by
// statement, with psql's own lines and the rows of COPY … FROM stdin, and no more
// of it in memory than one statement. It knows the language's words no further
// than is needed to find the end of a statement.
package sqlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Error is a file that cannot be run as it is. Nothing of it was run.
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

// Kind says what a piece of a file is.
type Kind int

// The kinds of pieces.
const (
	Statement Kind = iota // with what stands before it, and its semicolon
	Blank                 // white space, comments, and semicolons that end nothing
	PsqlLine              // \restrict or \unrestrict, to the end of the line
	Rows                  // whole lines of COPY data, see Reader.Next
	RowsEnd               // the line \.
)

// Piece is a stretch of a file. All pieces together are the file, without its byte
// order mark.
type Piece struct {
	Kind Kind
	Text []byte // until the next call of Next
	// Offset is that of Text in the file without its byte order mark, in bytes.
	Offset int64
	Line   int // of Text, from 1
	Column int // of Text, in characters from 0
	// Start is where in Text a statement's first word is.
	Start int
	// Word is a statement's first word, in lower case; empty where it begins otherwise.
	Word string
	// CopyIn says that rows follow.
	CopyIn bool
}

// Most files are small, and there may be ten thousand of them.
const (
	minChunk = 2 << 10
	maxChunk = 64 << 10
)

// maxRows is about how many bytes of COPY data are one piece.
const maxRows = 64 << 10

// Reader splits a file. It is not safe for concurrent use.
type Reader struct {
	from     io.Reader
	storage  []byte // that buf lies in
	buf      []byte // what is read and not yet handed out, but for its first taken bytes
	consumed int    // bytes of buf that the last piece has
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

// copying is how far a COPY with rows has been read.
type copying int

const (
	copyingNothing copying = iota
	copyingLine            // the rest of its own line is to come
	copyingRows
)

// NewReader returns a Reader of the file's bytes.
func NewReader(from io.Reader) *Reader {
	return &Reader{from: from, line: 1, chunk: minChunk, text: encodingCheck{line: 1}, digest: newDigest()}
}

// Next returns the next piece, io.EOF after the last, an *Error without File for
// what cannot be run, or the error of the reader below.
//
// After a statement with CopyIn come a Blank, if there is more on its line, Rows of
// maxRows bytes or one line, and RowsEnd.
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

// Sum is the checksum of what has been read; see Checksum.
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

// piece takes the first n bytes of what is left.
func (r *Reader) piece(kind Kind, n int) Piece {
	r.consumed = n
	return Piece{Kind: kind, Text: r.buf[:n:n], Offset: r.offset, Line: r.line, Column: r.column}
}

// discard lets go of the last piece.
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

// at returns the byte at i of what is left, or 0 at the end: no text has a NUL.
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

// fill reads on. Text that is none ends the reading where it stands.
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

// readError is what went wrong in reading; the end of the file is not that.
func (r *Reader) readError() error {
	if errors.Is(r.read, io.EOF) {
		return nil
	}
	return r.read
}

// indexAfter is the index behind the next byte c, from i on, or of the end.
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
