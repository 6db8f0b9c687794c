package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// timestampDigits is the length of a timestamp version such as 20261121093000 (UTC), the
// other common numbering scheme for golang-migrate.
const timestampDigits = len("20060102150405")

// defaultDigits is the width of the first version in an empty directory.
const defaultDigits = 4

var nonNameCharacters = regexp.MustCompile(`[^\p{L}\p{N}]+`)

// Create writes the next up and down file for name into dir, creating dir if necessary, and
// returns their paths. The new version continues the numbering of the directory: with the
// width of the last version, or a UTC timestamp after a timestamp. Create never overwrites
// a file.
func Create(dir, name string, now time.Time) (up, down string, err error) {
	slug := strings.ToLower(strings.Trim(nonNameCharacters.ReplaceAllString(name, "_"), "_"))
	if slug == "" {
		return "", "", fmt.Errorf("invalid migration name %q; want words such as add_guest_phone", name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", fmt.Errorf("migrations directory: %w", err)
	}
	version, err := nextVersion(dir, now)
	if err != nil {
		return "", "", err
	}
	base := filepath.Join(dir, version+"_"+slug)
	up, down = base+".up.sql", base+".down.sql"
	if err := writeNew(up, "-- "+slug+"\n"); err != nil {
		return "", "", err
	}
	if err := writeNew(down, "-- rolls back "+filepath.Base(up)+"\n"); err != nil {
		return "", "", errors.Join(err, os.Remove(up))
	}
	return up, down, nil
}

func nextVersion(dir string, now time.Time) (string, error) {
	c, err := Open(dir, IgnoreUnrecognized)
	if errors.Is(err, ErrNoMigrations) {
		return fmt.Sprintf("%0*d", defaultDigits, 1), nil
	}
	if err != nil {
		return "", err
	}
	last := c.migrations[len(c.migrations)-1]
	if last.Version == MaxVersion {
		return "", fmt.Errorf("version %d is the maximum", last.Version)
	}
	digits, _, _ := strings.Cut(last.Up+last.Down, "_")
	next := strconv.FormatUint(uint64(last.Version)+1, 10)
	if stamp := now.UTC().Format("20060102150405"); len(digits) == timestampDigits && stamp > next {
		next = stamp
	}
	return fmt.Sprintf("%0*s", len(digits), next), nil
}

func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s already exists; nothing was written", path)
	}
	if err != nil {
		return fmt.Errorf("cannot create migration: %w", err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
