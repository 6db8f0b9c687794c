package source

import (
	"fmt"
	"maps"
	"sort"
	"strings"
)

// A RecordedMigration is a migration from the history table of a database: one that is
// applied, or partially rolled back.
type RecordedMigration struct {
	Version uint
	Name    string
	// Checksum is the checksum of the up file that ran; empty if it is unknown.
	Checksum string
	// HasUp and HasDown report whether the history table has the SQL.
	HasUp, HasDown bool
	// NoDown is why it does not have the down SQL, as a clause.
	NoDown       string
	Irreversible bool
	// Differs reports whether the up file differs from the SQL that ran. Its down file then
	// belongs to another migration as well.
	Differs bool
}

// historyPrefix is the prefix of file names that stand for SQL in the history table.
const historyPrefix = "history:"

// FromHistory reports whether a file name stands for SQL in the history table, and returns the name
// that the file would have in the directory.
func FromHistory(file string) (name string, stored bool) {
	return strings.CutPrefix(file, historyPrefix)
}

// WithHistory returns a catalog that merges the files with the migrations recorded in a
// database. If the up file is what ran, the files are used, because the down file may have
// been improved since. Otherwise both scripts come from the history table.
func (c *Catalog) WithHistory(recorded []RecordedMigration) *Catalog {
	u := &Catalog{fsys: c.fsys, dir: c.dir, origin: c.origin, ignored: c.ignored, ctx: c.ctx, files: c, sums: map[string]string{}, texts: map[string]string{}}
	for file, sum := range c.sums {
		u.sums[file] = sum
	}
	known := map[uint]Migration{}
	for _, m := range c.migrations {
		known[m.Version] = m
	}
	for _, r := range recorded {
		m, here := c.Find(r.Version)
		known[r.Version] = u.merge(m, here, r)
	}
	for _, m := range known {
		u.migrations = append(u.migrations, m)
	}
	sort.Slice(u.migrations, func(i, j int) bool { return u.migrations[i].Version < u.migrations[j].Version })
	return u
}

// merge merges a version of the files, if there is one, with its history.
func (u *Catalog) merge(m Migration, here bool, r RecordedMigration) Migration {
	if !here || r.Differs {
		m = Migration{Version: r.Version, Name: r.Name, HistoryOnly: !here, NoDown: r.NoDown}
		if r.HasUp {
			m.Up = u.historyFileName(r, Up)
		}
		if r.Checksum != "" {
			u.sums[u.historyFileName(r, Up)] = r.Checksum
		}
	}
	if m.Down == "" && r.HasDown {
		m.Down = u.historyFileName(r, Down)
	}
	m.Irreversible = r.Irreversible
	return m
}

// historyFileName returns the name that the file would have in the directory, with historyPrefix.
func (u *Catalog) historyFileName(r RecordedMigration, direction Direction) string {
	digits := 0
	if all := u.files.migrations; len(all) > 0 {
		name := all[len(all)-1].Up + all[len(all)-1].Down
		for digits < len(name) && name[digits] >= '0' && name[digits] <= '9' {
			digits++
		}
	}
	return fmt.Sprintf("%s%0*d_%s.%s.sql", historyPrefix, digits, r.Version, r.Name, direction)
}

// Files returns the files of a merged catalog, or the catalog itself if it is not merged.
func (c *Catalog) Files() *Catalog {
	if c.files != nil {
		return c.files
	}
	return c
}

// RecordedSQL is the SQL of a migration from the history table; empty if it has none.
type RecordedSQL struct{ Up, Down string }

// WithRecordedSQL returns a merged catalog that also has the SQL of these versions.
func (c *Catalog) WithRecordedSQL(recorded map[uint]RecordedSQL) *Catalog {
	u := *c
	u.texts = maps.Clone(c.texts)
	for version, sql := range recorded {
		m, _ := c.Find(version)
		r := RecordedMigration{Version: m.Version, Name: m.Name}
		u.texts[u.historyFileName(r, Up)], u.texts[u.historyFileName(r, Down)] = sql.Up, sql.Down
	}
	return &u
}

// UpTo returns the files up to and including a version.
func (c *Catalog) UpTo(version uint) *Catalog {
	n := sort.Search(len(c.migrations), func(i int) bool { return c.migrations[i].Version > version })
	part := *c
	part.migrations, part.initial = c.migrations[:n], nil
	return &part
}
