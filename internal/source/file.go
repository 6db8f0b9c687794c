package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// OpenFile opens one of the catalog's files.
func (c *Catalog) OpenFile(file string) (io.ReadCloser, error) {
	f, err := c.openInterruptibly(file)
	if err != nil {
		return nil, c.fileError(file, err)
	}
	return f, nil
}

// Opener returns a function that opens one of the catalog's files.
func (c *Catalog) Opener(file string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return c.OpenFile(file) }
}

// openInterruptibly opens a file whose reads end with the catalog's context.
func (c *Catalog) openInterruptibly(file string) (io.ReadCloser, error) {
	if _, recorded := c.texts[file]; recorded || c.ctx == nil {
		return c.open(file)
	}
	f, err := interruptible(c.ctx, func() (io.ReadCloser, error) { return c.open(file) })
	if err != nil {
		return nil, err
	}
	return &interruptibleFile{ctx: c.ctx, file: f}, nil
}

func (c *Catalog) open(file string) (io.ReadCloser, error) {
	if text, recorded := c.texts[file]; recorded {
		return io.NopCloser(strings.NewReader(text)), nil
	}
	return c.fsys.Open(file)
}

// Size returns the size of a file in bytes; -1 for an empty name.
func (c *Catalog) Size(file string) (int64, error) {
	if file == "" {
		return -1, nil
	}
	if text, recorded := c.texts[file]; recorded {
		return int64(len(text)), nil
	}
	info, err := fs.Stat(c.fsys, file)
	if err != nil {
		return 0, c.fileError(file, err)
	}
	return info.Size(), nil
}

// maxHeader is how many bytes of a file are searched for directives.
const maxHeader = 64 << 10

// Directives returns the directives of a version's up file. A minimum compatible version
// above its own version is an error, because not even its own release could run.
func (c *Catalog) Directives(version uint) (sqlfile.Directives, error) {
	m, _ := c.Find(version)
	if m.Up == "" {
		return sqlfile.Directives{}, nil
	}
	f, err := c.OpenFile(m.Up)
	if err != nil {
		return sqlfile.Directives{}, err
	}
	head, err := io.ReadAll(io.LimitReader(f, maxHeader))
	if err := errors.Join(err, f.Close()); err != nil {
		return sqlfile.Directives{}, c.fileError(m.Up, err)
	}
	directives, err := sqlfile.ReadDirectives(strings.TrimPrefix(string(head), "\ufeff"))
	var unusable *sqlfile.Error
	switch {
	case errors.As(err, &unusable):
		unusable.File = m.Up
	case err == nil && directives.MinCompatibleVersion > version:
		err = &sqlfile.Error{File: m.Up, Problem: fmt.Sprintf("-- %s %d is above the version of this migration, so not even its own release could run", sqlfile.MinCompatibleVersion, directives.MinCompatibleVersion)}
	}
	return directives, err
}

// Text returns the text of one of the catalog's files. It returns "" for an empty name and
// for a file of more than limit bytes.
func (c *Catalog) Text(file string, limit int64) (string, error) {
	if file == "" {
		return "", nil
	}
	f, err := c.OpenFile(file)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return "", c.fileError(file, err)
	}
	if int64(len(text)) > limit {
		return "", nil
	}
	return string(text), nil
}

// Checksum returns the checksum of a version's up file, or "" if there is none. Each file is
// read once, so the checksum does not change during a run.
func (c *Catalog) Checksum(version uint) (string, error) {
	m, _ := c.Find(version)
	if m.Up == "" {
		return "", nil
	}
	if sum, known := c.sums[m.Up]; known {
		return sum, nil
	}
	sum, err := sqlfile.Checksum(func() (io.ReadCloser, error) { return c.openInterruptibly(m.Up) })
	if err != nil {
		return "", c.fileError(m.Up, err)
	}
	if c.sums == nil {
		c.sums = map[string]string{}
	}
	c.sums[m.Up] = sum
	return sum, nil
}

// fileError adds the name of the file to an error, or the directory for an empty name.
func (c *Catalog) fileError(file string, err error) error {
	var interrupted *sqlfile.InterruptedError
	if errors.As(err, &interrupted) {
		return fmt.Errorf("reading migration %s: %w", filepath.Join(c.origin, file), err)
	}
	return newUnreadableError(filepath.Join(c.origin, file), file == "", err)
}
