package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/source"
)

// Missing says what a database still lacks of a version, in words that complete
// "waiting:"; empty when it has it.
func Missing(st State, want int) string {
	switch {
	case st.Dirty:
		return fmt.Sprintf("a migration is at work at version %s, or stopped part-way there", versionText(st.Version))
	case st.Version == NoVersion && slices.ContainsFunc(st.Runs, Run.IsApplied):
		return fmt.Sprintf("the version table is empty, but the history has migrations as applied (see migrator status); wanted is version %d", want)
	case st.Version == NoVersion:
		return fmt.Sprintf("no migration has run yet; wanted is version %d", want)
	case st.Version < want:
		return fmt.Sprintf("the database is at version %d; wanted is version %d", st.Version, want)
	}
	return ""
}

// ForWait is Missing for all of a catalog's migrations. What the journal, as far
// as it is in st, knows not to have run below the database's version is missing,
// too. A database that is newer than the files lacks nothing, unless the policy
// refuses it.
func ForWait(c *source.Catalog, st State, p Policy) (string, error) {
	latest := int(c.Latest())
	if p.OnNewer == DownNewer && st.Version > latest {
		return fmt.Sprintf("the database is at version %d, newer than the files (%d), and is to be run down", st.Version, latest), nil
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
	if len(st.Runs) == 0 {
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
	return fmt.Sprintf("the database is at version %d, and %s below it has not run", st.Version, strings.Join(late, ", ")), nil
}
