package state

import (
	"slices"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
)

// Unrecorded returns the history rows of another tool's migrations that are to be recorded.
func Unrecorded(files *source.Catalog, st planner.State) ([]history.Entry, error) {
	out := planner.Unrecorded(files, st)
	for i := range out {
		if err := AddFile(files, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// AddFile adds the checksum and, to an up, the directives of the file to a history row.
func AddFile(files *source.Catalog, e *history.Entry) (err error) {
	if e.Checksum, err = files.Checksum(uint(e.Version)); err == nil && e.Direction == source.Up {
		e.Stored.Directives, err = files.Directives(uint(e.Version))
	}
	return err
}

// WithImports returns the state in which the runs of another tool are recorded.
func WithImports(st planner.State, imports []history.Entry) planner.State {
	kept := slices.DeleteFunc(slices.Clone(st.Entries), func(old history.Entry) bool {
		return slices.ContainsFunc(imports, func(e history.Entry) bool { return e.Version == old.Version })
	})
	st.Entries = append(kept, imports...)
	return st
}
