package sqlfile

import (
	"bytes"
	"errors"
	"io"
)

// Sizes of one read. Most files are small, and there may be ten thousand of them.
const (
	minChunk = 2 << 10
	maxChunk = 64 << 10
)

// An input is the text of a file from the current position on, of which as much is in memory
// as has been looked at.
type input struct {
	from    io.Reader
	storage []byte // backing array of buf
	buf     []byte // bytes read and not dropped
	chunk   int    // bytes to read next
	read    error  // that ended reading
	text    encodingCheck
}

func newInput(from io.Reader) input {
	return input{from: from, chunk: minChunk, text: encodingCheck{line: 1}}
}

// at returns the byte at i of the unread text, or 0 at the end: no text contains a NUL.
func (in *input) at(i int) byte {
	if i < len(in.buf) {
		return in.buf[i]
	}
	return in.readTo(i)
}

func (in *input) readTo(i int) byte {
	for i >= len(in.buf) && in.read == nil {
		in.fill()
	}
	if i < len(in.buf) {
		return in.buf[i]
	}
	return 0
}

// fill reads more bytes. Invalid text ends reading.
func (in *input) fill() {
	if cap(in.buf)-len(in.buf) < in.chunk {
		if len(in.storage)-len(in.buf) < in.chunk {
			in.storage = make([]byte, 2*len(in.buf)+2*in.chunk)
		}
		in.buf = in.storage[:copy(in.storage, in.buf)]
	}
	n, err := in.from.Read(in.buf[len(in.buf) : len(in.buf)+in.chunk])
	in.chunk = min(2*in.chunk, maxChunk)
	added := in.buf[len(in.buf) : len(in.buf)+n]
	if bad := in.text.next(added, errors.Is(err, io.EOF)); bad != nil {
		in.read = bad
		return
	}
	in.buf, in.read = in.buf[:len(in.buf)+n], err
}

// readError returns the error that ended reading, except io.EOF.
func (in *input) readError() error {
	if errors.Is(in.read, io.EOF) {
		return nil
	}
	return in.read
}

// indexAfter returns the index after the next byte c from i on, or the end.
func (in *input) indexAfter(i int, c byte) int {
	for {
		if i < len(in.buf) {
			if n := bytes.IndexByte(in.buf[i:], c); n >= 0 {
				return i + n + 1
			}
			i = len(in.buf)
		}
		if in.readTo(i) == 0 {
			return i
		}
	}
}

// skip returns the index of the first byte from i on that is in none of the classes.
func (in *input) skip(i int, of class) int {
	for {
		for ; i < len(in.buf); i++ {
			if classes[in.buf[i]]&of == 0 {
				return i
			}
		}
		if in.readTo(i) == 0 {
			return i
		}
	}
}
