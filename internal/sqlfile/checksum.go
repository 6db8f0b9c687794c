package sqlfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strings"
)

// A digest is a SHA-256 of the tokens and rows of a file.
type digest struct {
	hash hash.Hash
	buf  []byte // collects tokens, which are too short to hash one by one
}

func newDigest() digest { return digest{hash: sha256.New()} }

func (d *digest) token(text []byte) { d.add(text, ' ') }
func (d *digest) row(line []byte)   { d.add(line, '\n') }

func (d *digest) add(text []byte, after byte) {
	const enough = 16 << 10
	d.buf = append(append(d.buf, text...), after)
	if len(d.buf) >= enough {
		d.flush()
	}
}

func (d *digest) flush() {
	d.hash.Write(d.buf)
	d.buf = d.buf[:0]
}

func (d *digest) sum() string {
	d.flush()
	return hex.EncodeToString(d.hash.Sum(nil))
}

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
	r := NewReader(strings.NewReader(sql))
	var out bytes.Buffer
	for {
		what, end := r.lex(0)
		if what == tokenEnd {
			return out.String()
		}
		if what != tokenBlank {
			out.Write(r.buf[:end])
			out.WriteByte(' ')
		}
		r.buf = r.buf[end:]
	}
}
