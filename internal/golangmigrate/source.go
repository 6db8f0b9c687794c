package golangmigrate

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	upstream "github.com/golang-migrate/migrate/v4/source"

	"github.com/shiplock/shiplock/internal/source"
)

var _ upstream.Driver = (*Source)(nil)

// A Source is a catalog as a source driver of golang-migrate.
type Source struct {
	catalog    *source.Catalog
	migrations []source.Migration
}

// NewSource returns a source driver of golang-migrate for c.
func NewSource(c *source.Catalog) *Source { return &Source{catalog: c, migrations: c.All()} }

// Open is part of source.Driver. It returns an error, because a Source is created from a Catalog.
func (*Source) Open(string) (upstream.Driver, error) {
	return nil, errors.New("the source cannot be opened by URL; use source.Open")
}

// Close is part of source.Driver. Nothing stays open.
func (*Source) Close() error { return nil }

// First returns the lowest version.
func (s *Source) First() (uint, error) { return s.at(0, "first") }

// Prev returns the version before this one, or os.ErrNotExist.
func (s *Source) Prev(version uint) (uint, error) {
	return s.at(s.position(version, -1), fmt.Sprintf("prev for version %d", version))
}

// Next returns the version after this one, or os.ErrNotExist.
func (s *Source) Next(version uint) (uint, error) {
	return s.at(s.position(version, 1), fmt.Sprintf("next for version %d", version))
}

// position returns the index of the migration that is offset migrations after version, or
// -1 if there is no such version.
func (s *Source) position(version uint, offset int) int {
	i := slices.IndexFunc(s.migrations, func(m source.Migration) bool { return m.Version == version })
	if i < 0 {
		return i
	}
	return i + offset
}

func (s *Source) at(i int, op string) (uint, error) {
	if i < 0 || i >= len(s.migrations) {
		return 0, &fs.PathError{Op: op, Path: s.catalog.Origin(), Err: os.ErrNotExist}
	}
	return s.migrations[i].Version, nil
}

// ReadUp opens the up file of a version; the identifier is the migration's name.
func (s *Source) ReadUp(version uint) (io.ReadCloser, string, error) {
	m, _ := s.catalog.Find(version)
	return s.open(m.Up, m.Name, version, upstream.Up)
}

// ReadDown opens the down file of a version; the identifier is the migration's name.
func (s *Source) ReadDown(version uint) (io.ReadCloser, string, error) {
	m, _ := s.catalog.Find(version)
	return s.open(m.Down, m.Name, version, upstream.Down)
}

func (s *Source) open(file, name string, version uint, dir upstream.Direction) (io.ReadCloser, string, error) {
	if file == "" {
		return nil, "", &fs.PathError{Op: fmt.Sprintf("read %s of version %d", dir, version), Path: s.catalog.Origin(), Err: os.ErrNotExist}
	}
	f, err := s.catalog.OpenFile(file)
	return f, name, err
}
