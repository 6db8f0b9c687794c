package check

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/statements"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// maxBytes is the size up to which the statements of a file are checked: the size up to which the
// migrator holds a file in memory.
const maxBytes = script.MaxInMemoryBytes

// A file is one migration file.
type file struct {
	source.FileName
	file   string // its name in the directory
	isNew  bool   // not in the base
	text   []byte // nil above maxBytes
	larger bool   // than maxBytes
	script *script.Script
	err    *sqlfile.Error // why script is nil, if the SQL cannot be split
}

// A directory is the migration files of a directory.
type directory struct {
	path     string
	files    []*file // by version, down before up, and name
	findings []finding.Finding
	invalid  map[string]bool // files with invalid names, which have a finding
}

// readDirectory reads the files of a directory. Files with invalid names become findings; a
// directory without migrations is an error.
func readDirectory(path string) (*directory, error) {
	if _, err := source.Open(path, source.IgnoreUnrecognized); errors.Is(err, source.ErrNoMigrations) || isUnreadable(err) {
		return nil, err
	}
	fsys := os.DirFS(path)
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	d := &directory{path: path, invalid: map[string]bool{}}
	for _, e := range entries {
		d.add(fsys, e)
	}
	slices.SortFunc(d.files, func(a, b *file) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), compareDirection(a, b), cmp.Compare(a.file, b.file))
	})
	return d, d.read()
}

func compareDirection(a, b *file) int {
	switch {
	case a.Down == b.Down:
		return 0
	case a.Down:
		return 1
	}
	return -1
}

func isUnreadable(err error) bool {
	var unreadable *source.UnreadableError
	return errors.As(err, &unreadable)
}

// add adds an entry of the directory, by the rules of package source.
func (d *directory) add(fsys fs.FS, e fs.DirEntry) {
	parsed, found, invalid := source.ReadEntry(fsys, e)
	switch {
	case !found:
	case invalid != nil:
		d.invalid[e.Name()] = true
		d.findings = append(d.findings, finding.Finding{Rule: finding.InvalidFileName, File: e.Name(), Line: 1, Message: invalid.Problem, Statement: finding.WholeFile})
	default:
		d.files = append(d.files, &file{FileName: parsed, file: e.Name(), isNew: true})
	}
}

// read reads and parses the files, on all processors.
func (d *directory) read() error {
	errs := make([]error, len(d.files))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				errs[i] = d.files[i].read(d.path)
			}
		})
	}
	for i := range d.files {
		next <- i
	}
	close(next)
	workers.Wait()
	return errors.Join(errs...)
}

func (f *file) read(dir string) error {
	path := filepath.Join(dir, f.file)
	var err error
	if f.text, f.larger, err = readFile(path); err != nil {
		return fmt.Errorf("cannot read migration: %w", err)
	}
	if f.larger {
		return nil
	}
	f.script, err = script.ParseFile(f.file, f.text)
	if err != nil && !errors.As(err, &f.err) {
		return err
	}
	return nil
}

// checksum returns the checksum of the file, which does not cover comments and white space.
func (f *file) checksum(dir string) (string, error) {
	return sqlfile.Checksum(func() (io.ReadCloser, error) { return os.Open(filepath.Join(dir, f.file)) })
}

// upFiles returns the up files whose SQL could be split, by version.
func (d *directory) upFiles() []statements.File {
	var out []statements.File
	for _, f := range d.files {
		if f.script != nil && !f.Down {
			out = append(out, statements.File{Name: f.file, Script: f.script, New: f.isNew})
		}
	}
	return out
}

// newFiles returns the number of files that are not in the base.
func (d *directory) newFiles() int {
	n := 0
	for _, f := range d.files {
		if f.isNew {
			n++
		}
	}
	return n
}

// find returns the file with a name, or nil.
func (d *directory) find(name string) *file {
	if i := slices.IndexFunc(d.files, func(f *file) bool { return f.file == name }); i >= 0 {
		return d.files[i]
	}
	return nil
}

// readFile reads a file of at most maxBytes; larger reports whether it is larger.
func readFile(path string) (content []byte, larger bool, err error) {
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxBytes {
		return nil, err == nil, err
	}
	content, err = os.ReadFile(path)
	return content, false, err
}
