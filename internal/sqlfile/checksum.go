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

// digest is a SHA-256 of what a file says.
type digest struct {
	hash hash.Hash
	buf  []byte // a token is too little to hash by itself
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

// Checksum is the SHA-256, in hexadecimal, of a file without its comments and white
// space, and without psql's own lines: a change of these is no change of the
// migration. What cannot be read as SQL counts byte by byte. Errors are those of
// open and of what it opens.
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

// Canonical is SQL as Checksum sees it.
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
