package source

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"runtime"
	"sync"
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
	dir, err := c.openDirectory()
	if err != nil {
		return "", c.fileError("", err)
	}
	defer dir.Close()
	sums, err := c.sumFiles(dir)
	if err != nil {
		return "", err
	}
	all := sha256.New()
	for i, m := range c.migrations {
		_, _ = io.WriteString(all, m.Up+"\x00"+m.Down+"\x00") // a hash returns no errors, and no file name contains a zero byte
		_, _ = all.Write(sums[i][:])
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

// minShare is the minimum number of migrations for each of several workers.
const minShare = 64

// sumFiles computes the SHA-256 of each up file, on all processors if there are many.
func (c *Catalog) sumFiles(dir directory) ([][sha256.Size]byte, error) {
	sums := make([][sha256.Size]byte, len(c.migrations))
	share := max(minShare, len(sums)/runtime.GOMAXPROCS(0)+1)
	failed := make([]error, len(sums)/share+1)
	var workers sync.WaitGroup
	for worker := range failed {
		first := worker * share
		workers.Go(func() {
			buf := make([]byte, 64<<10)
			for i := first; i < min(first+share, len(sums)); i++ {
				up := c.migrations[i].Up
				if up == "" {
					continue
				}
				if err := c.sumFile(dir, up, buf, &sums[i]); err != nil {
					failed[worker] = c.fileError(up, err)
					return
				}
			}
		})
	}
	workers.Wait()
	return sums, errors.Join(failed...)
}

// sumFile computes the SHA-256 of a file. buf is a buffer to read into.
func (c *Catalog) sumFile(dir directory, name string, buf []byte, sum *[sha256.Size]byte) error {
	n, err := dir.read(name, buf)
	if err != nil {
		return err
	}
	if n < len(buf) { // nearly every file fits in the buffer
		*sum = sha256.Sum256(buf[:n])
		return nil
	}
	f, err := c.fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err = io.CopyBuffer(struct{ hash.Hash }{h}, struct{ io.Reader }{f}, buf); err == nil {
		h.Sum(sum[:0])
	}
	return err
}

// A directory reads files by name.
type directory interface {
	// read reads a file into buf, up to the length of buf.
	read(name string, buf []byte) (int, error)
	Close() error
}

func (c *Catalog) openDirectory() (directory, error) {
	if c.dir == "" {
		return fsDirectory{c.fsys}, nil
	}
	return openDiskDirectory(c.dir)
}

// TakeDigest sets the digest that InitialDigest returns to that of the files now.
func (c *Catalog) TakeDigest() {
	digest, err := c.Digest()
	c.initial = func() (string, error) { return digest, err }
}

// InitialDigest returns the digest that TakeDigest took, or else Digest.
func (c *Catalog) InitialDigest() (string, error) {
	if c.initial == nil {
		return c.Digest()
	}
	return c.initial()
}
