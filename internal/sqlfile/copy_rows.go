package sqlfile

import "bytes"

// maxRows is the approximate maximum size of one piece of COPY data, in bytes.
const maxRows = 64 << 10

// restOfLine reads the rest of the line after COPY … FROM stdin; because the rows begin on
// the next line, as in psql.
func (s *splitter) restOfLine() (Piece, error) {
	end := s.indexAfter(0, '\n')
	if err := s.readError(); err != nil {
		return Piece{}, err
	}
	rest := bytes.TrimSpace(s.buf[:end])
	if len(rest) > 0 && !bytes.HasPrefix(rest, []byte("--")) {
		return Piece{}, &Error{Line: s.line, Problem: "unexpected text after COPY … FROM stdin; begin the rows on the next line"}
	}
	s.copying = copyingRows
	return s.piece(Blank, end), nil
}

// rows reads lines of COPY data.
func (s *splitter) rows() (Piece, error) {
	n := 0
	for n < maxRows {
		end := s.indexAfter(n, '\n')
		if err := s.readError(); err != nil {
			return Piece{}, err
		}
		line := bytes.TrimSuffix(bytes.TrimSuffix(s.buf[n:end], []byte("\n")), []byte("\r"))
		if string(line) == `\.` {
			if n > 0 {
				break
			}
			s.copying = copyingNothing
			s.digest.row(line)
			return s.piece(RowsEnd, end), nil
		}
		if end == n || s.buf[end-1] != '\n' {
			return Piece{}, missingRowsError(s.copyLine)
		}
		s.digest.row(line)
		n = end
	}
	return s.piece(Rows, n), nil
}

func missingRowsError(line int) *Error {
	return &Error{Line: line, Problem: `COPY … FROM stdin has no rows; add them on the lines below it, followed by a line with \.`}
}
