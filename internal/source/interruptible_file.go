package source

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// OpenContext is Open, but it does not wait for the file system longer than ctx lasts,
// nor does what reads the catalog's files later.
func OpenContext(ctx context.Context, dir string, unrecognized Unrecognized) (*Catalog, error) {
	c, err := interruptible(ctx, func() (*Catalog, error) { return Open(dir, unrecognized) })
	if err == nil {
		c.ctx = ctx
	}
	return c, err
}

// readGrace is what a read may take when ctx is over: what is recorded of a run that was
// stopped still reads its file.
var readGrace = 2 * time.Second

// interruptible returns what f returns, or an InterruptedError when ctx is over and f
// does not return: the kernel does not give a read of a file back to the program, so it
// is left behind.
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

// openInterruptibly is open, of a file whose reads end with the catalog's context.
func (c *Catalog) openInterruptibly(file string) (io.ReadCloser, error) {
	if _, remembered := c.texts[file]; remembered || c.ctx == nil {
		return c.open(file)
	}
	f, err := interruptible(c.ctx, func() (io.ReadCloser, error) { return c.open(file) })
	if err != nil {
		return nil, err
	}
	return &interruptibleFile{ctx: c.ctx, file: f}, nil
}

// interruptibleFile is a file whose reads end with a context.
type interruptibleFile struct {
	ctx       context.Context
	file      io.ReadCloser
	buf       []byte // what a read that is left behind writes to; nobody else has it
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

// Close leaves a file open that is still being read: closing it may wait, too.
func (f *interruptibleFile) Close() error {
	if f.abandoned {
		return nil
	}
	return f.file.Close()
}
