package sqlfile

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
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
