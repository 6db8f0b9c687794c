package source

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// OpenContext is Open with a context. When ctx ends, neither OpenContext nor later reads of
// the catalog's files wait for the file system any longer.
func OpenContext(ctx context.Context, dir string, unrecognized Unrecognized) (*Catalog, error) {
	c, err := interruptible(ctx, func() (*Catalog, error) { return Open(dir, unrecognized) })
	if err == nil {
		c.ctx = ctx
	}
	return c, err
}

// readGrace is how long a read may take after ctx has ended: recording a stopped run still
// reads its file.
var readGrace = 2 * time.Second

// interruptible returns what f returns, or an InterruptedError if ctx ends and f does not
// return. A blocked read of a file cannot be interrupted, so its goroutine is abandoned.
func interruptible[T any](ctx context.Context, f func() (T, error)) (T, error) {
	if ctx == nil {
		return f()
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-time.After(readGrace):
		var none T
		return none, &sqlfile.InterruptedError{Err: context.Cause(ctx)}
	}
}

// An interruptibleFile is a file whose reads end with a context.
type interruptibleFile struct {
	ctx       context.Context
	file      io.ReadCloser
	buf       []byte // written by an abandoned read, so it is never shared
	abandoned bool
}

func (f *interruptibleFile) Read(p []byte) (int, error) {
	if f.abandoned {
		return 0, &sqlfile.InterruptedError{Err: context.Cause(f.ctx)}
	}
	if len(f.buf) < len(p) {
		f.buf = make([]byte, len(p))
	}
	buf := f.buf[:len(p)]
	n, err := interruptible(f.ctx, func() (int, error) { return f.file.Read(buf) })
	var interrupted *sqlfile.InterruptedError
	if errors.As(err, &interrupted) {
		f.abandoned = true
		return 0, err
	}
	return copy(p, buf[:n]), err
}

// Close does not close a file that is still being read, because closing may also block.
func (f *interruptibleFile) Close() error {
	if f.abandoned {
		return nil
	}
	return f.file.Close()
}
