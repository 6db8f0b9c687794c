package check

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/check/gitbase"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// A Rename is a file that Renumber has renamed.
type Rename struct {
	From, To string
	// Note is what the new version may affect in the file; empty for nothing.
	Note string
}

// timestampDigits is the length of a version that is a UTC time, such as 20261121093000.
const timestampDigits = len("20060102150405")

// Renumber renames the new migrations whose version is at or below the newest of the base, or is
// taken, to the next free versions in the same order. It uses git mv for files that git tracks and
// changes no content. now is the new version of a migration whose version is a timestamp.
func Renumber(ctx context.Context, o Options, now time.Time) ([]Rename, error) {
	d, err := readDirectory(o.Source)
	if err != nil {
		return nil, err
	}
	base, err := openBase(ctx, o)
	if err != nil {
		return nil, err
	}
	if base == nil {
		return nil, &gitbase.Error{Ref: "(none)", Problem: "--renumber needs a base, and the clone records no default branch", Advice: "set --base, such as --base origin/main"}
	}
	c := comparison{directory: d, base: base}
	if err := c.compare(ctx); err != nil {
		return nil, err
	}
	renames := c.renames(now)
	for _, r := range slices.Backward(renames) { // from the highest version, so that no name is taken
		if err := c.rename(ctx, r); err != nil {
			return nil, err
		}
	}
	return renames, nil
}

// renames returns the new names of the files, by version.
func (c *comparison) renames(now time.Time) []Rename {
	type migration struct {
		version uint
		name    string
		files   []*file
	}
	var all []*migration
	mergedSlots := map[slot]bool{}
	mergedVersions := map[uint]bool{}
	for _, parsed := range c.merged {
		mergedSlots[slot{parsed.Version, parsed.Down}] = true
		mergedVersions[parsed.Version] = true
	}
	for _, f := range c.files {
		if !f.isNew || f.Down && mergedVersions[f.Version] && !mergedSlots[slot{f.Version, true}] {
			continue // merged, or the missing down file of a merged migration
		}
		i := slices.IndexFunc(all, func(m *migration) bool { return m.version == f.Version && m.name == f.Name })
		if i < 0 {
			all = append(all, &migration{version: f.Version, name: f.Name})
			i = len(all) - 1
		}
		all[i].files = append(all[i].files, f)
	}
	slices.SortStableFunc(all, func(a, b *migration) int {
		return cmp.Or(cmp.Compare(a.version, b.version), strings.Compare(a.name, b.name))
	})
	var out []Rename
	last := c.newest
	for _, m := range all {
		if m.version > last {
			last = m.version
			continue
		}
		digits, _, _ := strings.Cut(m.files[0].file, "_")
		last = nextVersion(last, len(digits), now)
		for _, f := range m.files {
			digits, rest, _ := strings.Cut(f.file, "_")
			r := Rename{From: f.file, To: fmt.Sprintf("%0*d_%s", len(digits), last, rest)}
			if f.script != nil && f.script.Directives.MinCompatibleVersion > 0 {
				r.Note = fmt.Sprintf("check its -- %s %d: versions may have changed", sqlfile.MinCompatibleVersion, f.script.Directives.MinCompatibleVersion)
			}
			out = append(out, r)
		}
	}
	return out
}

// nextVersion returns the version after last: the time if versions are timestamps and it is later.
func nextVersion(last uint, digits int, now time.Time) uint {
	if digits == timestampDigits {
		stamp, err := strconv.ParseUint(now.UTC().Format("20060102150405"), 10, 64)
		if err == nil && uint(stamp) > last {
			return uint(stamp)
		}
	}
	return last + 1
}

// rename renames a file. It does not replace one.
func (c *comparison) rename(ctx context.Context, r Rename) error {
	to := filepath.Join(c.path, r.To)
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("rename %s to %s: %w", r.From, r.To, fs.ErrExist)
	}
	if c.base.Tracks(ctx, r.From) {
		return c.base.Move(ctx, r.From, r.To)
	}
	return os.Rename(filepath.Join(c.path, r.From), to)
}
