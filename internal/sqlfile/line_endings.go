package sqlfile

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// LineEndings says how the lines of a text end.
type LineEndings string

// The line endings of a text. The lines of a text with MixedLineEndings end in both.
const (
	LF               LineEndings = "LF"
	CRLF             LineEndings = "CRLF"
	MixedLineEndings LineEndings = "LF and CRLF"
)

// MatchLineEndings reports how the lines of a migration ended when it ran, if that is all in
// which its file now differs from what ran: sum is the Checksum of what ran, and sql
// its text, empty where it is not known. Without the text a file that mixed both is
// not recognized.
func MatchLineEndings(open func() (io.ReadCloser, error), sum, sql string) (LineEndings, bool, error) {
	unified := ""
	for _, endings := range []LineEndings{LF, CRLF} {
		now, err := Checksum(withLineEndings(open, endings))
		if err != nil {
			return "", false, err
		}
		if now == sum {
			return endings, true, nil
		}
		if endings == LF {
			unified = now
		}
	}
	if sql == "" {
		return "", false, nil
	}
	ran, err := Checksum(withLineEndings(func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(sql)), nil }, LF))
	return MixedLineEndings, ran == unified, err
}

// EqualIgnoringLineEndings reports whether two texts of SQL differ in nothing that
// counts but line endings.
func EqualIgnoringLineEndings(a, b string) bool {
	return Canonical(strings.ReplaceAll(a, "\r\n", "\n")) == Canonical(strings.ReplaceAll(b, "\r\n", "\n"))
}

// withLineEndings opens a file with all its lines ending in the same way.
func withLineEndings(open func() (io.ReadCloser, error), endings LineEndings) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		f, err := open()
		if err != nil {
			return nil, err
		}
		return &lineEndingReader{Closer: f, from: bufio.NewReader(f), end: map[LineEndings]string{LF: "\n", CRLF: "\r\n"}[endings]}, nil
	}
}

// lineEndingReader ends each line in end.
type lineEndingReader struct {
	io.Closer
	from *bufio.Reader
	end  string
	rest string // of what has been read
	line []byte
}

func (r *lineEndingReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.line) == 0 && r.rest == "" {
		line, err := r.from.ReadSlice('\n')
		switch n := len(line); {
		case n > 0 && line[n-1] == '\n':
			line, r.rest = line[:n-1], r.end
			if n > 1 && line[n-2] == '\r' {
				line = line[:n-2]
			}
		case n > 0 && line[n-1] == '\r' && errors.Is(err, bufio.ErrBufferFull): // its line feed may be the next byte
			line = line[:n-1]
			if err := r.from.UnreadByte(); err != nil {
				return 0, err
			}
		case n == 0:
			return 0, err
		}
		r.line = line
	}
	if len(r.line) > 0 {
		n := copy(p, r.line)
		r.line = r.line[n:]
		return n, nil
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
