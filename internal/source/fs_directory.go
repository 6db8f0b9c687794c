package source

import (
	"errors"
	"io"
	"io/fs"
)

// An fsDirectory is the root of a file system.
type fsDirectory struct{ fsys fs.FS }

func (d fsDirectory) read(name string, buf []byte) (int, error) {
	f, err := d.fsys.Open(name)
	if err != nil {
		return 0, err
	}
	n, err := io.ReadFull(f, buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // the file is shorter than buf
		err = nil
	}
	return n, errors.Join(err, f.Close())
}

func (fsDirectory) Close() error { return nil }
