// Package source reads migrations from a directory and orders them by version.
//
// [OpenContext] reads the file names into a [Catalog] of [Migration], which reads the files:
// their text, directives, checksums, and a digest of all of them. [Catalog.WithHistory] merges
// them with the migrations that a database records. [Create] writes the files of a new
// migration. planner, migrator, and golangmigrate use a catalog; report describes a [NameError] and
// an [UnreadableError].
package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNoMigrations reports that the source contains no migrations: most likely a wrong path
// or an empty volume.
var ErrNoMigrations = errors.New("no migrations")

// ErrNotDirectory reports that the source is a file.
var ErrNotDirectory = errors.New("this is a file")

// An Unrecognized is how to handle .sql files with invalid names.
type Unrecognized string

// Values of Unrecognized.
const (
	FailUnrecognized   Unrecognized = "fail"
	IgnoreUnrecognized Unrecognized = "ignore" // as golang-migrate does
)

// A Catalog holds all migrations of a source in the order of their versions.
type Catalog struct {
	fsys                     fs.FS
	dir                      string // the path of fsys, if it is a directory on disk
	origin                   string
	migrations               []Migration
	ignored                  []string
	unreadableSubdirectories []string               // directories that may contain migrations and cannot be read
	sums                     map[string]string      // checksums by file name
	initial                  func() (string, error) // see TakeDigest
	ctx                      context.Context        // see OpenContext

	// For a merged catalog: the files alone, and the SQL from the history table by file name.
	files *Catalog
	texts map[string]string
}

// Open reads the names of the migrations in dir. It does not read the files.
//
// Names are golang-migrate's: VERSION_NAME.up.sql and VERSION_NAME.down.sql, with the
// version in decimal digits. Gaps and leading zeros are allowed. Other .sql files
// (unless they are ignored), two files for one version and direction, and a directory
// without migrations are errors that name the files.
func Open(dir string, unrecognized Unrecognized) (*Catalog, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: directory %s does not exist", ErrNoMigrations, dir)
	case err != nil:
		return nil, newUnreadableError(dir, true, err)
	case !info.IsDir():
		return nil, newUnreadableError(dir, true, ErrNotDirectory)
	}
	c, err := Read(os.DirFS(dir), dir, unrecognized)
	if err == nil {
		c.dir = dir
	}
	return c, err
}

// Read is Open for any file system. Messages refer to it as origin.
func Read(fsys fs.FS, origin string, unrecognized Unrecognized) (*Catalog, error) {
	entries, err := entriesOf(fsys)
	if err != nil {
		return nil, newUnreadableError(origin, true, err)
	}
	c, err := newCatalog(fsys, origin, unrecognized, entries)
	if err != nil { // report the first error by file name, whatever the order of the directory
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		c, err = newCatalog(fsys, origin, unrecognized, entries)
	}
	return c, err
}

// entriesOf is fs.ReadDir without sorting.
func entriesOf(fsys fs.FS) ([]fs.DirEntry, error) {
	dir, err := fsys.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if dir, ok := dir.(fs.ReadDirFile); ok {
		return dir.ReadDir(-1)
	}
	return fs.ReadDir(fsys, ".")
}

// ReadEntry returns the file name of an entry of a directory of migrations. found is false for an entry
// that is none, such as a README. invalid is set for an invalid name or file; it has no path.
func ReadEntry(fsys fs.FS, e fs.DirEntry) (file FileName, found bool, invalid *NameError) {
	if found, _ = isRelevant(fsys, e); !found { // an unreadable subdirectory is none
		return file, false, nil
	}
	if file, invalid = parseEntry(e); invalid == nil {
		invalid = checkReadable(fsys, e)
	}
	return file, true, invalid
}

func newCatalog(fsys fs.FS, origin string, unrecognized Unrecognized, entries []fs.DirEntry) (*Catalog, error) {
	versions := (len(entries) + 1) / 2 // most have a down file
	c := &Catalog{fsys: fsys, origin: origin, migrations: make([]Migration, 0, versions)}
	byVersion := make(map[uint]int, versions)
	for _, e := range entries {
		relevant, err := isRelevant(fsys, e)
		if errors.Is(err, fs.ErrPermission) {
			c.unreadableSubdirectories = append(c.unreadableSubdirectories, e.Name())
		}
		if !relevant {
			continue
		}
		file, invalid := parseEntry(e)
		if invalid != nil && unrecognized == IgnoreUnrecognized {
			c.ignored = append(c.ignored, e.Name())
			continue
		}
		if invalid == nil {
			invalid = checkReadable(fsys, e)
		}
		if invalid != nil {
			invalid.Path = filepath.Join(origin, e.Name())
			return nil, invalid
		}
		if err := c.add(byVersion, file, e.Name()); err != nil {
			return nil, &NameError{Path: origin, Problem: err.Error()}
		}
	}
	if len(byVersion) == 0 {
		return nil, fmt.Errorf("%w: directory %s contains no file like 0001_create_users.up.sql", ErrNoMigrations, origin)
	}
	slices.Sort(c.ignored)
	slices.Sort(c.unreadableSubdirectories)
	slices.SortFunc(c.migrations, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	return c, nil
}

// add adds a file to the migration of its version; byVersion maps versions to indexes.
func (c *Catalog) add(byVersion map[uint]int, name FileName, file string) error {
	i, known := byVersion[name.Version]
	if !known {
		i = len(c.migrations)
		byVersion[name.Version] = i
		c.migrations = append(c.migrations, Migration{Version: name.Version, Name: name.Name})
	}
	m := &c.migrations[i]
	slot := &m.Up
	if name.Down {
		slot = &m.Down
	}
	if *slot != "" {
		return fmt.Errorf("duplicate version %d: %s and %s; give one of them a new version", name.Version, *slot, file)
	}
	*slot = file
	if !name.Down {
		m.Name = name.Name // golang-migrate allows different names for the two files of a version
	}
	return nil
}

// Origin returns the directory that the migrations were read from, for messages.
func (c *Catalog) Origin() string { return c.origin }

// Ignored returns the .sql files with invalid names.
func (c *Catalog) Ignored() []string { return slices.Clone(c.ignored) }

// UnreadableSubdirectories returns the subdirectories that cannot be searched for migrations.
func (c *Catalog) UnreadableSubdirectories() []string {
	return slices.Clone(c.unreadableSubdirectories)
}

// All returns the migrations in ascending order of version.
func (c *Catalog) All() []Migration { return slices.Clone(c.migrations) }

// Latest returns the highest version.
func (c *Catalog) Latest() uint { return c.migrations[len(c.migrations)-1].Version }

// Find returns the migration with this version.
func (c *Catalog) Find(version uint) (Migration, bool) {
	i, ok := slices.BinarySearchFunc(c.migrations, version, func(m Migration, v uint) int { return cmp.Compare(m.Version, v) })
	if !ok {
		return Migration{}, false
	}
	return c.migrations[i], true
}
