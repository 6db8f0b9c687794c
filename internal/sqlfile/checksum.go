package sqlfile

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// Checksum returns the hexadecimal SHA-256 of a file without its comments, white space and
// psql lines, whose changes do not change the migration. If a file cannot be parsed, the
// checksum covers every byte. Errors are those of open and of the opened reader.
func Checksum(open func() (io.ReadCloser, error)) (string, error) {
	sum, err := readChecksum(open, func(from io.Reader) (string, error) {
		r := NewReader(from)
		for {
			if _, err := r.Next(); err != nil {
				return r.Sum(), err
			}
		}
	})
	var unusable *Error
	if !errors.As(err, &unusable) {
		return sum, err
	}
	return readChecksum(open, func(from io.Reader) (string, error) {
		d := newDigest()
		_, err := io.Copy(d.hash, from)
		return d.sum(), err
	})
}

func readChecksum(open func() (io.ReadCloser, error), read func(io.Reader) (string, error)) (string, error) {
	from, err := open()
	if err != nil {
		return "", err
	}
	sum, err := read(from)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return sum, errors.Join(err, from.Close())
}

// Canonical returns the part of SQL that Checksum covers.
func Canonical(sql string) string {
	in := newInput(strings.NewReader(sql))
	var out bytes.Buffer
	for {
		what, end := in.lex(0)
		if what == tokenEnd {
			return out.String()
		}
		if what != tokenBlank {
			out.Write(in.buf[:end])
			out.WriteByte(' ')
		}
		in.buf = in.buf[end:]
	}
}
