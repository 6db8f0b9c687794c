package sqlfile

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// LineEndings are the line endings of a text.
type LineEndings string

// Values of LineEndings. A text with MixedLineEndings has both kinds.
const (
	LF               LineEndings = "LF"
	CRLF             LineEndings = "CRLF"
	MixedLineEndings LineEndings = "LF and CRLF"
)

// MatchLineEndings returns the line endings of a migration when it ran, if its file now
// differs from what ran only in line endings. sum is the Checksum of what ran, and sql its
// text, or "" if the text is unknown. Without the text, mixed line endings are not
// recognized.
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

// EqualIgnoringLineEndings reports whether two SQL texts are the same except for line
// endings and for what Checksum ignores.
func EqualIgnoringLineEndings(a, b string) bool {
	return Canonical(strings.ReplaceAll(a, "\r\n", "\n")) == Canonical(strings.ReplaceAll(b, "\r\n", "\n"))
}

// withLineEndings returns a function that opens a file with its line endings converted.
func withLineEndings(open func() (io.ReadCloser, error), endings LineEndings) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		f, err := open()
		if err != nil {
			return nil, err
		}
		return &lineEndingReader{Closer: f, from: bufio.NewReader(f), end: map[LineEndings]string{LF: "\n", CRLF: "\r\n"}[endings]}, nil
	}
}

// A lineEndingReader converts all line endings to end.
type lineEndingReader struct {
	io.Closer
	from *bufio.Reader
	end  string
	rest string // the rest of the current line ending
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
