package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/golang-migrate/migrate/v4/source"
)

var _ source.Driver = (*Driver)(nil)

// A Driver is a catalog as a source driver of golang-migrate.
type Driver struct{ catalog *Catalog }

// Driver returns a source driver of golang-migrate for c.
func (c *Catalog) Driver() *Driver { return &Driver{catalog: c} }

// Open is part of source.Driver. It returns an error, because a Driver is created from a Catalog.
func (*Driver) Open(string) (source.Driver, error) {
	return nil, errors.New("the source cannot be opened by URL; use source.Open")
}

// Close is part of source.Driver. Nothing stays open.
func (*Driver) Close() error { return nil }

// First returns the lowest version.
func (d *Driver) First() (uint, error) { return d.at(0, true, "first") }

// Prev returns the version before this one, or os.ErrNotExist.
func (d *Driver) Prev(version uint) (uint, error) {
	i, ok := d.catalog.position(version)
	return d.at(i-1, ok, fmt.Sprintf("prev for version %d", version))
}

// Next returns the version after this one, or os.ErrNotExist.
func (d *Driver) Next(version uint) (uint, error) {
	i, ok := d.catalog.position(version)
	return d.at(i+1, ok, fmt.Sprintf("next for version %d", version))
}

func (d *Driver) at(i int, known bool, op string) (uint, error) {
	if !known || i < 0 || i >= len(d.catalog.migrations) {
		return 0, &fs.PathError{Op: op, Path: d.catalog.origin, Err: os.ErrNotExist}
	}
	return d.catalog.migrations[i].Version, nil
}

// ReadUp opens the up file of a version; the identifier is the migration's name.
func (d *Driver) ReadUp(version uint) (io.ReadCloser, string, error) {
	m, _ := d.catalog.Find(version)
	return d.open(m.Up, m.Name, version, source.Up)
}

// ReadDown opens the down file of a version; the identifier is the migration's name.
func (d *Driver) ReadDown(version uint) (io.ReadCloser, string, error) {
	m, _ := d.catalog.Find(version)
	return d.open(m.Down, m.Name, version, source.Down)
}

func (d *Driver) open(file, name string, version uint, dir source.Direction) (io.ReadCloser, string, error) {
	if file == "" {
		return nil, "", &fs.PathError{Op: fmt.Sprintf("read %s of version %d", dir, version), Path: d.catalog.origin, Err: os.ErrNotExist}
	}
	f, err := d.catalog.open(file)
	if err != nil {
		return nil, "", fmt.Errorf("migration %s: %w", file, err)
	}
	return f, name, nil
}
