package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/source"
)

// Missing describes what a database lacks of a version, as text after "waiting:". It returns
// "" if the database has that version.
func Missing(st State, want int) string {
	switch {
	case st.Dirty:
		return fmt.Sprintf("a migration is running or partially applied at version %s", VersionText(st.Version))
	case st.Version == NoVersion && slices.ContainsFunc(st.Entries, st.IsApplied):
		return fmt.Sprintf("the version table is empty, but the history table has applied migrations; version %d is required", want)
	case st.Version == NoVersion:
		return fmt.Sprintf("no migration is applied; version %d is required", want)
	case st.Version < want:
		return fmt.Sprintf("database is at version %d; version %d is required", st.Version, want)
	}
	return ""
}

// ForWait is Missing for all migrations of a catalog, including those below the database's
// version that are not applied according to the history table, as far as it is in st. A
// database that is ahead of the files lacks nothing, unless the policy refuses it.
func ForWait(c *source.Catalog, st State, p Policy) (string, error) {
	latest := int(c.Latest())
	if p.OnNewer == DownNewer && st.Version > latest {
		return fmt.Sprintf("database is at version %d, ahead of the migration files (%d), and is to be rolled back", st.Version, latest), nil
	}
	if err := checkMinCompatibleVersion(c, st); err != nil {
		return "", err
	}
	if st.Version > latest && !st.Dirty {
		if _, err := planAhead(c, st, p); err != nil {
			return "", err
		}
	}
	if missing := Missing(st, latest); missing != "" {
		return missing, nil
	}
	if len(st.Entries) == 0 {
		return "", nil
	}
	applied := Applied(c, st)
	var late []string
	for _, m := range c.All() {
		if m.Up != "" && !applied[m.Version] {
			late = append(late, fmt.Sprint(m.Version))
		}
	}
	if len(late) == 0 {
		return "", nil
	}
	return fmt.Sprintf("database is at version %d, but %s below it is not applied", st.Version, strings.Join(late, ", ")), nil
}
