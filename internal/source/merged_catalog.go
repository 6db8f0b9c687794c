package source

import (
	"fmt"
	"sort"
)

// RecordedMigration is a migration as a database's journal tells it: one that is in effect
// there, or whose down has stopped part-way.
type RecordedMigration struct {
	Version uint
	Name    string
	// Checksum is that of the up file that ran, empty where it is not known.
	Checksum string
	// HasUp and HasDown say that the journal holds the SQL.
	HasUp, HasDown bool
	// NoDown says why it does not hold the down's, in words that complete "and".
	NoDown       string
	Irreversible bool
	// Differs says that the up file here is not what ran: its down file is another
	// migration's, too.
	Differs bool
}

// FromHistory is how the name of a file begins that is no file: its text is the journal's.
const FromHistory = "history:"

// WithHistory is a catalog of the files and of what a database remembers. A file counts
// if its up is what ran: then its down may be a better one than that of the day.
// Of a version whose up here did not run both come from the journal.
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

// merge is one version of the files, if it is here, and of the journal.
func (u *Catalog) merge(m Migration, here bool, r RecordedMigration) Migration {
	if !here || r.Differs {
		m = Migration{Version: r.Version, Name: r.Name, HistoryOnly: !here, NoDown: r.NoDown}
		if r.HasUp {
			m.Up = u.historyFileName(r, "up")
		}
		if r.Checksum != "" {
			u.sums[u.historyFileName(r, "up")] = r.Checksum
		}
	}
	if m.Down == "" && r.HasDown {
		m.Down = u.historyFileName(r, "down")
	}
	m.Irreversible = r.Irreversible
	return m
}

// historyFileName is what a file of the folder would be called.
func (u *Catalog) historyFileName(r RecordedMigration, direction string) string {
	digits := 0
	if all := u.files.migrations; len(all) > 0 {
		name := all[len(all)-1].Up + all[len(all)-1].Down
		for digits < len(name) && name[digits] >= '0' && name[digits] <= '9' {
			digits++
		}
	}
	return fmt.Sprintf("%s%0*d_%s.%s.sql", FromHistory, digits, r.Version, r.Name, direction)
}

// Files is the part of a union that is files; of any other catalog, all of it.
func (c *Catalog) Files() *Catalog {
	if c.files != nil {
		return c.files
	}
	return c
}

// SetRecordedSQL gives a version's remembered SQL its text.
func (c *Catalog) SetRecordedSQL(version uint, up, down string) {
	m, _ := c.Find(version)
	r := RecordedMigration{Version: m.Version, Name: m.Name}
	c.texts[c.historyFileName(r, "up")], c.texts[c.historyFileName(r, "down")] = up, down
}

// UpTo is the part of a catalog's files up to a version, that one included.
func (c *Catalog) UpTo(version uint) *Catalog {
	n := sort.Search(len(c.migrations), func(i int) bool { return c.migrations[i].Version > version })
	part := *c
	part.migrations, part.first = c.migrations[:n], nil
	return &part
}
