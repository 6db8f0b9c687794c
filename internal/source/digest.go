package source

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
)

// Digest returns the hexadecimal SHA-256 of the names of all files and of every byte of the
// up files. Two catalogs with the same digest give the same plan. A changed comment changes
// the digest, but not Checksum. Digest reads every up file on each call: sizes and
// modification times are cheaper, but do not detect an edit in an image whose times are
// all set to the same value; see ADR 9.
func (c *Catalog) Digest() (string, error) {
	return interruptible(c.ctx, c.digest)
}

func (c *Catalog) digest() (string, error) {
	open, done, err := c.fileOpener()
	if err != nil {
		return "", err
	}
	defer done()
	sums := make([][sha256.Size]byte, len(c.migrations))
	var (
		next    atomic.Int64
		workers sync.WaitGroup
		failed  = make([]error, runtime.GOMAXPROCS(0))
	)
	for w := range failed {
		workers.Go(func() {
			d := digester{catalog: c, open: open, sums: sums}
			for failed[w] == nil {
				last := int(next.Add(batchSize))
				first := last - batchSize
				if first >= len(sums) {
					return
				}
				failed[w] = d.files(first, min(last, len(sums)))
			}
		})
	}
	workers.Wait()
	if err := errors.Join(failed...); err != nil {
		return "", err
	}
	all := sha256.New()
	for i, m := range c.migrations {
		_, _ = io.WriteString(all, m.Up+"\x00"+m.Down+"\x00") // a hash returns no errors, and no file name contains a zero byte
		_, _ = all.Write(sums[i][:])
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

// batchSize is the number of files a worker takes at a time, so one worker reads thirty files.
const batchSize = 64

// A digester is a worker of Digest.
type digester struct {
	catalog *Catalog
	open    func(name string) (io.ReadCloser, error)
	sums    [][sha256.Size]byte
	buf     []byte
}

// files computes the digests of the up files of the migrations [first, last).
func (d *digester) files(first, last int) error {
	if d.buf == nil {
		d.buf = make([]byte, 64<<10)
	}
	for i := first; i < last; i++ {
		m := d.catalog.migrations[i]
		if m.Up == "" {
			continue
		}
		if err := d.file(m.Up, &d.sums[i]); err != nil {
			return d.catalog.fileError(m.Up, err)
		}
	}
	return nil
}

func (d *digester) file(name string, sum *[sha256.Size]byte) error {
	f, err := d.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.ReadFull(f, d.buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // nearly every file fits in the buffer
		*sum = sha256.Sum256(d.buf[:n])
		return nil
	}
	if err != nil {
		return err
	}
	h := sha256.New()
	_, _ = h.Write(d.buf)
	if _, err = io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, d.buf); err == nil {
		h.Sum(sum[:0])
	}
	return err
}

// fileOpener returns a function that opens files of the catalog until done is called.
func (c *Catalog) fileOpener() (open func(name string) (io.ReadCloser, error), done func(), err error) {
	if c.dir == "" {
		return func(name string) (io.ReadCloser, error) { return c.fsys.Open(name) }, func() {}, nil
	}
	dir, err := openDirectory(c.dir)
	if err != nil {
		return nil, nil, c.fileError("", err)
	}
	return dir.open, func() { _ = dir.Close() }, nil // it was only read
}

// openRaw opens a file of a directory on disk with half the system calls of os.Open.
func (c *Catalog) openRaw(name string) (io.ReadCloser, error) {
	if c.dir == "" {
		return c.fsys.Open(name)
	}
	return openRaw(c.dir + string(filepath.Separator) + name)
}

// StartDigest starts computing a digest, for which InitialDigest then waits. The caller
// connects to the database in the meantime.
func (c *Catalog) StartDigest() {
	c.first = sync.OnceValues(c.digest)
	go func() { _, _ = c.first() }() // InitialDigest returns the error
}

// InitialDigest returns the digest started by StartDigest, or else Digest.
func (c *Catalog) InitialDigest() (string, error) {
	if c.first == nil {
		return c.Digest()
	}
	return interruptible(c.ctx, c.first)
}
