package source

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A FileName is the name of a migration file, parsed as golang-migrate parses it:
// VERSION_NAME.up.EXTENSION or VERSION_NAME.down.EXTENSION.
type FileName struct {
	Version uint
	Name    string
	Down    bool // the direction; up if false
}

// Errors of ParseFileName.
var (
	ErrNoFileName     = errors.New("not the name of a migration file")
	ErrVersionTooHigh = fmt.Errorf("the version exceeds the maximum, %d", uint(MaxVersion))
)

// MaxVersion is the maximum version, because schema_migrations.version is a bigint.
const MaxVersion = 1<<63 - 1

// ParseFileName parses the name of a file. golang-migrate's regular expression for it,
// ^([0-9]+)_(.*)\.(down|up)\.(.*)$, takes twenty times as long.
func ParseFileName(file string) (FileName, error) {
	digits, rest, found := strings.Cut(file, "_")
	if !found || digits == "" || strings.Trim(digits, "0123456789") != "" || strings.Contains(rest, "\n") { // a dot of the expression matches no line break
		return FileName{}, ErrNoFileName
	}
	up, down := strings.LastIndex(rest, ".up."), strings.LastIndex(rest, ".down.")
	if up < 0 && down < 0 {
		return FileName{}, ErrNoFileName
	}
	version, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || version > MaxVersion {
		return FileName{}, ErrVersionTooHigh
	}
	return FileName{Version: uint(version), Name: rest[:max(up, down)], Down: down > up}, nil
}

// isFileName reports whether golang-migrate takes a file for a migration.
func isFileName(file string) bool {
	_, err := ParseFileName(file)
	return !errors.Is(err, ErrNoFileName)
}

// A NameError reports an invalid file name or a duplicate version. It is an error and not a
// warning, because a file that never runs would be noticed only in production.
type NameError struct {
	Path    string // the file, or the directory if several files are involved
	Problem string // what is wrong, and how to fix it
	// Unrecognized reports whether it is not the name of a migration, so that the entry may
	// be ignored; see IgnoreUnrecognized.
	Unrecognized bool
}

func (e *NameError) Error() string { return e.Path + ": " + e.Problem }
