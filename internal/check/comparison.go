package check

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/gitbase"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// A comparison finds what differs between the files and those of the base, and marks the files that
// are new.
type comparison struct {
	*directory
	base     *gitbase.Base // nil for none
	merged   map[string]source.FileName
	newest   uint // version of the base
	findings []finding.Finding
}

// A slot is what only one file may have: a version and a direction.
type slot struct {
	version uint
	down    bool
}

func (c *comparison) compare(ctx context.Context) error {
	c.merged = map[string]source.FileName{}
	if c.base != nil {
		for name := range c.base.Files {
			if parsed, err := source.ParseFileName(name); err == nil {
				c.merged[name] = parsed
				c.newest = max(c.newest, parsed.Version)
			}
		}
		c.directory.findings = slices.DeleteFunc(c.directory.findings, func(f finding.Finding) bool { return c.base.Files[f.File] != "" })
	}
	for _, f := range c.files {
		_, merged := c.merged[f.file]
		f.isNew = !merged
	}
	if err := c.compareContents(ctx); err != nil {
		return err
	}
	renamed, err := c.compareMissing(ctx)
	if err != nil {
		return err
	}
	c.compareVersions(renamed)
	return nil
}

func (c *comparison) add(rule, file string, line int, format string, args ...any) {
	c.findings = append(c.findings, finding.Finding{Rule: rule, File: file, Line: line, Message: fmt.Sprintf(format, args...), Statement: finding.WholeFile})
}

// compareContents finds the merged up files whose SQL has changed.
func (c *comparison) compareContents(ctx context.Context) error {
	var changed []*file
	var objects []string
	for _, f := range c.files {
		object := ""
		if !f.isNew && !f.Down {
			object = c.base.Files[f.file]
		}
		common, known := c.common(f.file)
		// A file that equals the one of the common commit was changed in the base, not here.
		if object == "" || !f.larger && (gitbase.IsObject(object, f.text) || known && gitbase.IsObject(common, f.text)) {
			continue
		}
		changed, objects = append(changed, f), append(objects, object)
	}
	if len(changed) == 0 {
		return nil
	}
	contents, err := c.base.Read(ctx, objects)
	if err != nil {
		return err
	}
	for i, f := range changed {
		now, err := f.checksum(c.path)
		if err != nil {
			return err
		}
		if now != contentChecksum(contents[i]) {
			c.add(finding.MergedFileEdited, f.file, firstDifference(contents[i], f.text),
				"the SQL differs from the file in %s, and databases that applied the file keep the old result; restore the file, and put the change in a new migration", c.base.Ref)
		}
	}
	return nil
}

// common returns the object of a file at the common commit.
func (c *comparison) common(name string) (string, bool) {
	if c.base == nil {
		return "", false
	}
	object, known := c.base.Common[name]
	return object, known
}

func contentChecksum(content []byte) string {
	sum, _ := sqlfile.Checksum(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }) // a buffer has no errors
	return sum
}

// firstDifference returns the first line, from 1, of text that differs.
func firstDifference(base, text []byte) int {
	a, b := bytes.Split(base, []byte("\n")), bytes.Split(text, []byte("\n"))
	for i, line := range b {
		if i >= len(a) || !bytes.Equal(bytes.TrimSpace(line), bytes.TrimSpace(a[i])) {
			return i + 1
		}
	}
	return len(b)
}

// compareMissing finds the files of the base that are missing here: renamed or deleted. It returns
// the new files that are renamed ones.
func (c *comparison) compareMissing(ctx context.Context) (renamed map[*file]bool, err error) {
	var missing, objects []string
	for _, name := range slices.Sorted(maps.Keys(c.merged)) {
		if _, known := c.common(name); c.find(name) == nil && (known || c.base.Common == nil) {
			missing, objects = append(missing, name), append(objects, c.base.Files[name])
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	contents, err := c.base.Read(ctx, objects)
	if err != nil {
		return nil, err
	}
	renamed = map[*file]bool{}
	for i, name := range missing {
		f, err := c.findRenamed(name, contents[i], renamed)
		if err != nil {
			return nil, err
		}
		was := c.merged[name]
		switch {
		case f == nil && c.base.Common == nil:
			c.add(finding.BehindBase, name, 1, "the file is in %s and missing here; git does not have the commit at which the branches diverged, so it is unknown whether this branch deletes the file or is behind %[1]s", c.base.Ref)
		case f == nil:
			c.add(finding.MergedFileDeleted, name, 1, "the file is in %s, and this branch deletes it; restore it", c.base.Ref)
		case f.Version != was.Version:
			renamed[f] = true
			c.add(finding.MergedFileRenamed, f.file, 1, "the file is %s in %s; databases that applied version %d would apply it again as version %d", name, c.base.Ref, was.Version, f.Version)
		default:
			renamed[f] = true
			c.add(finding.MergedFileRenamed, f.file, 1, "the file is %s in %s; restore the name", name, c.base.Ref)
		}
	}
	return renamed, nil
}

// findRenamed returns the new file that has the content of a missing one, or nil.
func (c *comparison) findRenamed(name string, content []byte, taken map[*file]bool) (*file, error) {
	if len(bytes.TrimSpace(content)) == 0 {
		return nil, nil // empty files are all equal
	}
	sum := contentChecksum(content)
	for _, f := range c.files {
		if !f.isNew || taken[f] || f.Down != c.merged[name].Down {
			continue
		}
		now, err := f.checksum(c.path)
		if err != nil {
			return nil, err
		}
		if now == sum {
			return f, nil
		}
	}
	return nil, nil // there is none
}

// compareVersions finds new files whose version is taken, or not above the newest of the base.
func (c *comparison) compareVersions(renamed map[*file]bool) {
	taken, mergedVersions := map[slot]string{}, map[uint]bool{}
	for name, parsed := range c.merged {
		taken[slot{parsed.Version, parsed.Down}] = name
		mergedVersions[parsed.Version] = true
	}
	for _, f := range c.files {
		if !f.isNew || renamed[f] {
			continue
		}
		at := slot{f.Version, f.Down}
		other := taken[at]
		_, inBase := c.merged[other]
		switch {
		case other != "" && inBase:
			c.add(finding.DuplicateVersion, f.file, 1, "version %d is taken by %s in %s; renumber this migration: migrator check --renumber", f.Version, other, c.base.Ref)
		case other != "":
			c.add(finding.DuplicateVersion, f.file, 1, "version %d is also that of %s; give one of them a new version", f.Version, other)
		case f.Version <= c.newest && !f.Down && !mergedVersions[f.Version]:
			c.add(finding.VersionNotAboveBase, f.file, 1, "version %d is not above version %d, the newest in %s, so it would be applied out of order; renumber this migration: migrator check --renumber", f.Version, c.newest, c.base.Ref)
		}
		if other == "" {
			taken[at] = f.file
		}
	}
}
