package planner

import (
	"slices"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/source"
)

// Applied returns the catalog's versions, and whether each is applied: those up to the
// database's version, except for those not applied according to the history table, and for
// a partially applied one.
func Applied(c *source.Catalog, st State) map[uint]bool {
	unrecorded := map[int]bool{}
	for _, r := range Unrecorded(c, st) {
		unrecorded[r.Version] = r.Direction == source.Up
	}
	out, isApplied := map[uint]bool{}, st.appliedVersions()
	for _, m := range c.All() {
		v := int(m.Version)
		known := len(st.Entries) == 0 && !(st.Dirty && v == st.Version)
		out[m.Version] = v <= st.Version && (known || unrecorded[v] || isApplied[v])
	}
	return out
}

// Unrecorded returns the runs of another tool that the history table lacks: up for
// migrations that it applied, down for those that it rolled back.
func Unrecorded(c *source.Catalog, st State) []history.Entry {
	if st.Dirty {
		return nil
	}
	last := NoVersion
	for _, r := range st.Entries {
		if st.IsApplied(r) {
			last = max(last, r.Version)
		}
	}
	var out []history.Entry
	for _, m := range c.All() {
		if v := int(m.Version); v > last && v <= st.Version {
			out = append(out, history.Entry{Version: v, Name: m.Name, Direction: source.Up})
		}
	}
	for _, r := range st.Entries {
		if st.IsApplied(r) && r.Version > st.Version {
			out = append(out, history.Entry{Version: r.Version, Name: r.Name, Direction: source.Down})
		}
	}
	return out
}

// VersionBelow returns the version below v, or NoVersion.
func VersionBelow(c *source.Catalog, v int) int {
	below := NoVersion
	for _, m := range c.All() {
		if int(m.Version) < v {
			below = int(m.Version)
		}
	}
	return below
}

// Resolve returns the version of a database after a run was completed manually (applied)
// or its changes were rolled back manually, and the direction of that change.
func Resolve(c *source.Catalog, st State, r history.Entry, applied bool) (version int, d source.Direction) {
	late := r.Version < st.Version && r.Direction == source.Up
	switch {
	case applied:
		return max(st.Version, r.Version), source.Up
	case late || r.Direction == source.Down:
		return st.Version, source.Down
	}
	return VersionBelow(c, r.Version), source.Down
}

// isAhead reports whether a version above the newest file is applied, or its rollback is
// unfinished.
func isAhead(files *source.Catalog, st State) bool {
	latest := int(files.Latest())
	return st.Version > latest || slices.ContainsFunc(st.Entries, func(e history.Entry) bool {
		return st.isPartial(e) && e.Direction == source.Down && e.Version > latest
	})
}

// appliedAbove returns the applied migrations above the newest file, according to the
// history table.
func appliedAbove(files *source.Catalog, st State) []source.Migration {
	var out []source.Migration
	for _, r := range st.Entries {
		if r.Version > int(files.Latest()) && r.Version <= st.Version && st.IsApplied(r) {
			out = append(out, source.Migration{Version: uint(r.Version), Name: r.Name})
		}
	}
	return out
}

// appliedUpTo returns the applied migrations up to a version, inclusive.
func appliedUpTo(c *source.Catalog, st State, last int) []source.Migration {
	var applied []source.Migration
	isApplied := st.appliedVersions()
	for _, m := range c.All() {
		v := int(m.Version)
		if v <= min(last, st.Version) && (v == st.Version || len(st.Entries) == 0 || isApplied[v]) {
			applied = append(applied, m)
		}
	}
	return applied
}
