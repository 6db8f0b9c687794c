// Package source reads migrations from a directory and orders them by version.
package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/golang-migrate/migrate/v4/source"
)

// ErrNoMigrations reports that the source contains no migrations: most likely a wrong path
// or an empty volume.
var ErrNoMigrations = errors.New("no migrations")

// A NameError reports an invalid file name or a duplicate version. It is an error and not a
// warning, because a file that never runs would be noticed only in production.
type NameError struct {
	Path    string // the file, or the directory if several files are involved
	Problem string // what is wrong, and how to fix it
}

func (e *NameError) Error() string { return e.Path + ": " + e.Problem }

// A Migration is one version: its up file and, if there is one, its down file.
type Migration struct {
	Version uint
	Name    string
	Up      string // file name within the catalog's directory; empty if there is none
	Down    string
	// HistoryOnly is set for a migration that has no file, only rows in the history table; see WithHistory.
	HistoryOnly bool
	// NoDown is why Down is empty, if not because there is no file.
	NoDown       string
	Irreversible bool // declared by the up file; set for applied migrations
}

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
	first                    func() (string, error) // see StartDigest
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
		return nil, newUnreadableError(dir, true, errors.New("this is a file; set --source to the directory that contains the .sql files"))
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
		file, err := parseEntry(e)
		if err != nil && unrecognized == IgnoreUnrecognized {
			c.ignored = append(c.ignored, e.Name())
			continue
		}
		if err == nil && !utf8.ValidString(e.Name()) {
			err = errors.New("the name is not UTF-8, so the database cannot record it; rename the file")
		}
		if err != nil {
			return nil, &NameError{Path: filepath.Join(origin, e.Name()), Problem: err.Error()}
		}
		if err := checkReadable(fsys, e); err != nil {
			return nil, &NameError{Path: filepath.Join(origin, e.Name()), Problem: err.Error()}
		}
		if err := c.add(byVersion, file); err != nil {
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

// isRelevant reports whether an entry can be a migration. It skips what editors and
// ConfigMap volumes leave beside the files: hidden names such as "..data", directories
// without migrations, and files that are not SQL. It returns an error for a directory that
// cannot be read.
func isRelevant(fsys fs.FS, e fs.DirEntry) (bool, error) {
	if strings.HasPrefix(e.Name(), ".") {
		return false, nil
	}
	if e.IsDir() {
		if source.Regex.MatchString(e.Name()) {
			return true, nil
		}
		return containsMigrations(fsys, e.Name(), maxDepth)
	}
	return strings.EqualFold(filepath.Ext(strings.TrimSpace(e.Name())), ".sql") || source.Regex.MatchString(e.Name()) || withoutExtension.MatchString(e.Name()), nil
}

// maxDepth is the depth to which subdirectories are searched for migrations that would not
// run: enough for one directory per year and month, but not for the dependencies of a whole
// repository.
const maxDepth = 2

// containsMigrations reports whether a directory or one of its subdirectories contains a migration.
func containsMigrations(fsys fs.FS, dir string, depth int) (bool, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		switch {
		case source.Regex.MatchString(e.Name()):
			return true, nil
		case e.IsDir() && depth > 1 && !strings.HasPrefix(e.Name(), "."):
			holds, deeper := containsMigrations(fsys, path.Join(dir, e.Name()), depth-1)
			if holds {
				return true, nil
			}
			err = errors.Join(err, deeper)
		}
	}
	return false, err
}

// withoutExtension matches a migration's name without ".sql".
var withoutExtension = regexp.MustCompile(`(?i)^[0-9]+_.*[._](up|down)\s*$`)

// checkReadable refuses entries with a migration's name that are not files: broken links,
// and special files whose read would block or never end.
func checkReadable(fsys fs.FS, e fs.DirEntry) error {
	kind := e.Type()
	if kind&fs.ModeSymlink != 0 {
		info, err := fs.Stat(fsys, e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			return errors.New("the link points to a file that does not exist; correct the link, or replace it with the file")
		}
		if err != nil {
			return fmt.Errorf("cannot follow the link: %w", err)
		}
		kind = info.Mode().Type()
	}
	if what, irregular := specialFileKinds[kind&^fs.ModeCharDevice]; irregular {
		return fmt.Errorf("this is a %s, not a file; replace it with the migration file", what)
	}
	return nil
}

var specialFileKinds = map[fs.FileMode]string{fs.ModeDir: "directory", fs.ModeNamedPipe: "named pipe", fs.ModeSocket: "socket", fs.ModeDevice: "device", fs.ModeIrregular: "special file"}

func parseEntry(e fs.DirEntry) (source.Migration, error) {
	if e.IsDir() && !source.Regex.MatchString(e.Name()) {
		return source.Migration{}, errors.New("this directory contains migrations, but subdirectories are not searched, so they would never run; move the files up, or set --unrecognized-files ignore")
	}
	return parse(e.Name())
}

func parse(name string) (source.Migration, error) {
	if file, plain := parsePlainName(name); plain {
		return file, nil
	}
	file, err := source.Parse(name)
	switch {
	case errors.Is(err, source.ErrParse) || err == nil && !strings.HasSuffix(name, ".sql"):
		return source.Migration{}, errors.New("the name is not VERSION_NAME.up.sql or VERSION_NAME.down.sql, so the file would never run; rename it, move it out of the directory, or set --unrecognized-files ignore")
	case err != nil || file.Version > MaxVersion:
		return source.Migration{}, fmt.Errorf("the version exceeds the maximum, %d", uint(MaxVersion))
	}
	return *file, nil
}

// MaxVersion is the maximum version, because schema_migrations.version is a bigint.
const MaxVersion = 1<<63 - 1

// add adds a file to the migration of its version; byVersion maps versions to indexes.
func (c *Catalog) add(byVersion map[uint]int, file source.Migration) error {
	i, known := byVersion[file.Version]
	if !known {
		i = len(c.migrations)
		byVersion[file.Version] = i
		c.migrations = append(c.migrations, Migration{Version: file.Version, Name: file.Identifier})
	}
	m := &c.migrations[i]
	slot := &m.Up
	if file.Direction == source.Down {
		slot = &m.Down
	}
	if *slot != "" {
		return fmt.Errorf("duplicate version %d: %s and %s; give one of them a new version", file.Version, *slot, file.Raw)
	}
	*slot = file.Raw
	if file.Direction == source.Up {
		m.Name = file.Identifier // golang-migrate allows different names for the two files of a version
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
	i, ok := c.position(version)
	if !ok {
		return Migration{}, false
	}
	return c.migrations[i], true
}

func (c *Catalog) position(version uint) (int, bool) {
	return slices.BinarySearchFunc(c.migrations, version, func(m Migration, v uint) int {
		switch {
		case m.Version < v:
			return -1
		case m.Version > v:
			return 1
		}
		return 0
	})
}
