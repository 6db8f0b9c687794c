package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// OpenFile opens one of the catalog's files.
func (c *Catalog) OpenFile(file string) (io.ReadCloser, error) {
	f, err := c.fsys.Open(file)
	if err != nil {
		return nil, c.in(file, err)
	}
	return f, nil
}

// Text returns the text of one of the catalog's files; none for no name, and none
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
		return "", c.in(file, err)
	}
	if int64(len(text)) > limit {
		return "", nil
	}
	return string(text), nil
}

// Checksum is that of a version's up file; empty where there is none. A file is
// read once in a run: what a run thinks of a file does not change while it lasts.
func (c *Catalog) Checksum(version uint) (string, error) {
	m, _ := c.Find(version)
	if m.Up == "" {
		return "", nil
	}
	if sum, known := c.sums[m.Up]; known {
		return sum, nil
	}
	sum, err := sqlfile.Checksum(func() (io.ReadCloser, error) { return c.openRaw(m.Up) })
	if err != nil {
		return "", c.in(m.Up, err)
	}
	if c.sums == nil {
		c.sums = map[string]string{}
	}
	c.sums[m.Up] = sum
	return sum, nil
}

// in names the file of an error; a path is named already.
func (c *Catalog) in(file string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("migration %s: %w", filepath.Join(c.origin, file), err)
}
