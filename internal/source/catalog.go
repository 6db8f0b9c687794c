// Package source finds migrations and puts them in order.
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

// ErrNoMigrations says that the source holds no migration at all: more likely a
// wrong path or an empty volume than a wish.
var ErrNoMigrations = errors.New("no migrations")

// NameError is a file name that is no migration's, or one version too many. It is
// an error and not a warning: a file that never runs is found out in production.
type NameError struct {
	Path    string // the file, or the folder when several files are concerned
	Problem string // what is wrong and the way out
}

func (e *NameError) Error() string { return e.Path + ": " + e.Problem }

// Migration is one version: its up file and, if there is one, its down file.
type Migration struct {
	Version uint
	Name    string
	Up      string // file name within the catalog's folder; empty if there is none
	Down    string
	// HistoryOnly is a migration that no file here has, and a database's journal; see WithHistory.
	HistoryOnly bool
	// NoDown is why Down is empty, where that is not because there is no file.
	NoDown       string
	Irreversible bool // its up says so; known of what is in effect
}

// Unrecognized says what to do with a .sql file whose name is no migration's.
type Unrecognized string

// The choices of Unrecognized.
const (
	FailUnrecognized   Unrecognized = "fail"
	IgnoreUnrecognized Unrecognized = "ignore" // as golang-migrate does
)

// Catalog holds all migrations of a source in the order of their versions.
type Catalog struct {
	fsys              fs.FS
	dir               string // where fsys is, if it is a folder on disk
	origin            string
	migrations        []Migration
	ignored           []string
	unreadableFolders []string               // folders that may hold migrations, and cannot be looked into
	sums              map[string]string      // checksums by file name
	first             func() (string, error) // see StartDigest
	ctx               context.Context        // see OpenContext

	// Of a union: the files alone, and what stands for a file's text.
	files *Catalog
	texts map[string]string
}

// Open reads the names of the migrations in dir. It does not read the files.
//
// Names are golang-migrate's: VERSION_NAME.up.sql and VERSION_NAME.down.sql, the
// version in decimal digits. Gaps and leading zeros are fine. Other .sql files
// (unless they are to be ignored), two files for one version and direction, and a
// folder without any migration are errors, each with the names of the files.
func Open(dir string, unrecognized Unrecognized) (*Catalog, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: the folder %s does not exist", ErrNoMigrations, dir)
	case err != nil:
		return nil, newUnreadableError(dir, true, err)
	case !info.IsDir():
		return nil, newUnreadableError(dir, true, errors.New("this is a file; --source takes the folder that holds the .sql files"))
	}
	c, err := Read(os.DirFS(dir), dir, unrecognized)
	if err == nil {
		c.dir = dir
	}
	return c, err
}

// Read is Open for any file system; origin names it in messages.
func Read(fsys fs.FS, origin string, unrecognized Unrecognized) (*Catalog, error) {
	entries, err := entriesOf(fsys)
	if err != nil {
		return nil, newUnreadableError(origin, true, err)
	}
	c, err := newCatalog(fsys, origin, unrecognized, entries)
	if err != nil { // of several faults the first by name is told, in whatever order the folder has them
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		c, err = newCatalog(fsys, origin, unrecognized, entries)
	}
	return c, err
}

// entriesOf is fs.ReadDir without its order.
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
			c.unreadableFolders = append(c.unreadableFolders, e.Name())
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
		return nil, fmt.Errorf("%w: the folder %s holds no file like 0001_create_users.up.sql", ErrNoMigrations, origin)
	}
	slices.Sort(c.ignored)
	slices.Sort(c.unreadableFolders)
	slices.SortFunc(c.migrations, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	return c, nil
}

// isRelevant skips what editors and ConfigMap volumes leave beside the files: hidden
// names such as "..data", folders without migrations, and what neither is SQL nor
// has a migration's name.
// The error is of a folder that cannot be looked into.
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

// maxDepth is how far down migrations are looked for that would not run: a folder a year
// and a month, and no dependencies' folders where the source is a whole repository.
const maxDepth = 2

// containsMigrations reports whether a folder holds a migration, or one of its folders does.
func containsMigrations(fsys fs.FS, folder string, depth int) (bool, error) {
	inside, err := fs.ReadDir(fsys, folder)
	if err != nil {
		return false, err
	}
	for _, e := range inside {
		switch {
		case source.Regex.MatchString(e.Name()):
			return true, nil
		case e.IsDir() && depth > 1 && !strings.HasPrefix(e.Name(), "."):
			holds, deeper := containsMigrations(fsys, path.Join(folder, e.Name()), depth-1)
			if holds {
				return true, nil
			}
			err = errors.Join(err, deeper)
		}
	}
	return false, err
}

// withoutExtension is a migration's name that lacks its .sql.
var withoutExtension = regexp.MustCompile(`(?i)^[0-9]+_.*[._](up|down)\s*$`)

// checkReadable refuses what has a migration's name and is no file: a link to nothing, and
// what would be waited for or never end when it is read.
func checkReadable(fsys fs.FS, e fs.DirEntry) error {
	kind := e.Type()
	if kind&fs.ModeSymlink != 0 {
		info, err := fs.Stat(fsys, e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			return errors.New("the link points to a file that does not exist; correct the link, or put the file itself here")
		}
		if err != nil {
			return fmt.Errorf("the link cannot be followed: %w", err)
		}
		kind = info.Mode().Type()
	}
	if what, irregular := specialFileKinds[kind&^fs.ModeCharDevice]; irregular {
		return fmt.Errorf("this is a %s and not a file, so it cannot be read as a migration; put the file itself here", what)
	}
	return nil
}

var specialFileKinds = map[fs.FileMode]string{fs.ModeDir: "folder", fs.ModeNamedPipe: "named pipe", fs.ModeSocket: "socket", fs.ModeDevice: "device", fs.ModeIrregular: "special file"}

func parseEntry(e fs.DirEntry) (source.Migration, error) {
	if e.IsDir() && !source.Regex.MatchString(e.Name()) {
		return source.Migration{}, errors.New("this folder holds migrations, and folders are not looked into, so they would never run; move them up, or pass --unrecognized-files ignore")
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
		return source.Migration{}, errors.New("the name is not VERSION_NAME.up.sql or VERSION_NAME.down.sql, so it would never run; rename it, move it away, or pass --unrecognized-files ignore")
	case err != nil || file.Version > MaxVersion:
		return source.Migration{}, fmt.Errorf("the version is above the highest possible, %d", uint(MaxVersion))
	}
	return *file, nil
}

// MaxVersion is the greatest version that schema_migrations.version, a bigint, can hold.
const MaxVersion = 1<<63 - 1

// add puts a file beside its version's other one; byVersion tells where that is.
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
		return fmt.Errorf("two files are version %d: %s and %s; give one of them a new version", file.Version, *slot, file.Raw)
	}
	*slot = file.Raw
	if file.Direction == source.Up {
		m.Name = file.Identifier // golang-migrate lets the two files of a version differ in name
	}
	return nil
}

// Origin is where the migrations were read from, for messages.
func (c *Catalog) Origin() string { return c.origin }

// Ignored lists the files whose names are no migration's.
func (c *Catalog) Ignored() []string { return slices.Clone(c.ignored) }

// UnreadableFolders lists the folders that cannot be looked into for migrations that would not run.
func (c *Catalog) UnreadableFolders() []string { return slices.Clone(c.unreadableFolders) }

// All returns the migrations in ascending order of version.
func (c *Catalog) All() []Migration { return slices.Clone(c.migrations) }

// Latest is the highest version.
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
