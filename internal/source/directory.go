package source

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// isRelevant reports whether an entry can be a migration. It skips what editors and
// ConfigMap volumes leave beside the files: hidden names such as "..data", directories
// without migrations, and files that are not SQL. It returns an error for a directory that
// cannot be read.
func isRelevant(fsys fs.FS, e fs.DirEntry) (bool, error) {
	if strings.HasPrefix(e.Name(), ".") {
		return false, nil
	}
	if e.IsDir() {
		if isFileName(e.Name()) {
			return true, nil
		}
		return containsMigrations(fsys, e.Name(), maxDepth)
	}
	return strings.EqualFold(filepath.Ext(strings.TrimSpace(e.Name())), ".sql") || isFileName(e.Name()) || withoutExtension.MatchString(e.Name()), nil
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
		case isFileName(e.Name()):
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

// checkReadable refuses entries with a migration's name that cannot be recorded or are not
// files: broken links, and special files whose read would block or never end.
func checkReadable(fsys fs.FS, e fs.DirEntry) *NameError {
	if !utf8.ValidString(e.Name()) {
		return &NameError{Problem: "the name is not UTF-8, so the database cannot record it; rename the file"}
	}
	kind := e.Type()
	if kind&fs.ModeSymlink != 0 {
		info, err := fs.Stat(fsys, e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			return &NameError{Problem: "the link points to a file that does not exist; correct the link, or replace it with the file"}
		}
		if err != nil {
			return &NameError{Problem: fmt.Sprintf("cannot follow the link: %v", err)}
		}
		kind = info.Mode().Type()
	}
	if what, irregular := specialFileKinds[kind&^fs.ModeCharDevice]; irregular {
		return &NameError{Problem: fmt.Sprintf("this is a %s, not a file; replace it with the migration file", what)}
	}
	return nil
}

var specialFileKinds = map[fs.FileMode]string{fs.ModeDir: "directory", fs.ModeNamedPipe: "named pipe", fs.ModeSocket: "socket", fs.ModeDevice: "device", fs.ModeIrregular: "special file"}

func parseEntry(e fs.DirEntry) (FileName, *NameError) {
	file, err := ParseFileName(e.Name())
	switch isName := !errors.Is(err, ErrNoFileName); {
	case e.IsDir() && !isName:
		return file, &NameError{Problem: "this directory contains migrations, but subdirectories are not searched, so they would never run; move the files up", Unrecognized: true}
	case !isName, err == nil && !strings.HasSuffix(e.Name(), ".sql"):
		return file, &NameError{Problem: "the name is not VERSION_NAME.up.sql or VERSION_NAME.down.sql, so the file would never run; rename it, move it out of the directory", Unrecognized: true}
	case err != nil:
		return file, &NameError{Problem: err.Error()}
	}
	return file, nil
}
