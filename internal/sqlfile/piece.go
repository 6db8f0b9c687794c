package sqlfile

import "bytes"

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

// A splitter returns the pieces of an input one by one.
type splitter struct {
	input
	consumed int   // length of the last piece, at the beginning of buf
	offset   int64 // of buf
	line     int   // of buf, from 1
	column   int
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

// piece returns the next n bytes as a piece.
func (s *splitter) piece(kind Kind, n int) Piece {
	s.consumed = n
	return Piece{Kind: kind, Text: s.buf[:n:n], Offset: s.offset, Line: s.line, Column: s.column}
}

// discard drops the last piece.
func (s *splitter) discard() {
	text := s.buf[:s.consumed]
	s.offset += int64(len(text))
	s.line += bytes.Count(text, []byte("\n"))
	if last := bytes.LastIndexByte(text, '\n'); last >= 0 {
		s.column, text = 0, text[last+1:]
	}
	s.column += runes(text)
	s.buf, s.consumed = s.buf[s.consumed:], 0
}

// lineOf returns the line of the byte at i of the unread text.
func (s *splitter) lineOf(i int) int { return s.line + bytes.Count(s.buf[:i], []byte("\n")) }
