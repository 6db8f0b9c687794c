package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// NoVersion is the version of a database without migrations, as in golang-migrate.
const NoVersion = -1

// State is the state of the database.
type State struct {
	Version int // NoVersion before the first migration
	Dirty   bool
	Table   string // name of the version table
	// Entries has the newest row of the history table for each version; it is empty if there
	// is no history table yet.
	Entries []history.Entry
	// Edited has the applied versions whose files differ from what was applied.
	Edited []uint
	// LineEndings has those of Edited whose files differ only in line endings, with the
	// line endings that were applied.
	LineEndings map[uint]sqlfile.LineEndings
}

// IsApplied reports whether the migration of a history row is applied. It is false for one that is
// partially applied. If the database is not dirty, the version table, which another tool may have
// set, takes precedence over a row that is partially applied.
func (st State) IsApplied(e history.Entry) bool {
	switch {
	case st.isPartial(e):
		return false
	case e.Outcome == history.Failed:
		return e.Direction == source.Down
	}
	return e.Direction == source.Up
}

// isPartial reports whether the run of a history row stopped after some statements, and can be resumed.
func (st State) isPartial(e history.Entry) bool { return st.Dirty && e.IsPartial() }

// Partial returns the history row of the partially applied migration, or nil.
func (st State) Partial() *history.Entry {
	if i := slices.IndexFunc(st.Entries, st.isPartial); i >= 0 {
		return &st.Entries[i]
	}
	return nil
}

// Entry returns the history row of a version, or nil.
func (st State) Entry(version uint) *history.Entry {
	if i := slices.IndexFunc(st.Entries, func(e history.Entry) bool { return e.Version == int(version) }); i >= 0 {
		return &st.Entries[i]
	}
	return nil
}

// appliedVersions returns the versions of the history table, and whether each is applied.
func (st State) appliedVersions() map[int]bool {
	out := make(map[int]bool, len(st.Entries))
	for _, e := range st.Entries {
		out[e.Version] = st.IsApplied(e)
	}
	return out
}

// maxListed is the most versions that a message lists; it counts the others.
const maxListed = 10

// Names returns the versions and names of migrations as text.
func Names(migrations []source.Migration) string {
	return list(migrations, func(m source.Migration) string { return fmt.Sprintf("%d (%s)", m.Version, m.Name) })
}

// versions returns the versions of migrations as text.
func versions(migrations []source.Migration) string {
	return list(migrations, func(m source.Migration) string { return fmt.Sprint(m.Version) })
}

func list(migrations []source.Migration, text func(source.Migration) string) string {
	var out []string
	for i, m := range migrations {
		if i == maxListed {
			out = append(out, fmt.Sprintf("and %d more", len(migrations)-maxListed))
			break
		}
		out = append(out, text(m))
	}
	return strings.Join(out, ", ")
}

// VersionText returns a version, or "none" for NoVersion.
func VersionText(v int) string {
	if v == NoVersion {
		return "none"
	}
	return fmt.Sprint(v)
}
