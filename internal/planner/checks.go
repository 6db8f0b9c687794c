package planner

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

func checkEdited(c *source.Catalog, st State, p Policy) error {
	if len(st.Edited) == 0 || p.OnEdited == AllowEdited {
		return nil
	}
	first := 0 // other changes come before changed line endings
	for i, v := range st.Edited {
		if _, same := st.LineEndings[v]; !same {
			first = i
			break
		}
	}
	m, _ := c.Find(st.Edited[first])
	more := ""
	if n := len(st.Edited) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	if ran, same := st.LineEndings[m.Version]; same {
		return lineEndingsRefusal(m.Up, more, ran)
	}
	return &Refusal{
		Reason: fmt.Sprintf("checksum mismatch: %s%s was edited after it was applied", m.Up, more),
		Why:    "the edited SQL was never run on this database; changes to comments and white space are ignored",
		Next:   "restore the file and write a new migration, or set --on-edited allow if the database is correct as it is",
	}
}

// checkKnown refuses a database whose version is in none of the files, nor in the history
// table if the catalog includes it.
func checkKnown(c *source.Catalog, st State) error {
	if st.Version == NoVersion {
		return nil
	}
	if _, ok := c.Find(uint(st.Version)); ok {
		return nil
	}
	if c != c.Files() && st.Version > int(c.Files().Latest()) {
		return &Refusal{
			Reason: fmt.Sprintf("the database is at version %d, which is neither in the files in %s (newest: %d) nor in the history table", st.Version, c.Origin(), c.Files().Latest()),
			Why:    "another tool applied it, or there is no history table, so its down SQL is unknown",
			Next:   fmt.Sprintf("run this with the image that has the files up to version %d", st.Version),
		}
	}
	return &Refusal{
		Reason: fmt.Sprintf("the database is at version %d, which is not in the files in %s (newest: %d)", st.Version, c.Origin(), c.Files().Latest()),
		Why:    "a file was renamed or removed, or these are the migrations of another application or of an older release",
		Next:   fmt.Sprintf("restore the file of version %d, or correct --source or --table", st.Version),
	}
}

// checkSameApplication refuses files none of which matches what was applied: with the
// files of another application, nearly every migration would be rolled back.
func checkSameApplication(files *source.Catalog, st State, p Policy) error {
	applied := appliedUpTo(files, st, int(files.Latest()))
	edited := len(st.Edited) - len(st.LineEndings)
	if edited == 0 || edited < len(applied) || p.OnEdited == AllowEdited {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("none of the files in %s matches what was applied to this database", files.Origin()),
		Why:    fmt.Sprintf("the database may belong to another application; everything above version %d would be rolled back", files.Latest()),
		Next:   "check that --database-url, --table and --source belong together; if all files were edited, set --on-edited allow",
	}
}

// checkMinCompatibleVersion refuses files whose newest version is below the minimum
// compatible version of an applied migration.
func checkMinCompatibleVersion(files *source.Catalog, st State) error {
	var newest Run
	for _, r := range st.Runs {
		applied := r.IsApplied() || r.Outcome == PartiallyApplied
		if applied && r.MinCompatibleVersion > files.Latest() && r.MinCompatibleVersion > newest.MinCompatibleVersion {
			newest = r
		}
	}
	if newest.MinCompatibleVersion == 0 {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("version %d (%s) is applied and has minimum compatible version %d; the newest file is version %d",
			newest.Version, newest.Name, newest.MinCompatibleVersion, files.Latest()),
		Why:  fmt.Sprintf("its up file contains -- %s %d: the schema no longer has what this release requires", sqlfile.MinCompatibleVersion, newest.MinCompatibleVersion),
		Next: fmt.Sprintf("deploy a release that has version %d; or roll back first: migrator down --to-files (--dry-run shows the steps), or set rollback.when: pre-rollback in the chart", newest.MinCompatibleVersion),
	}
}

// checkDownFiles refuses a plan that applies migrations without a down file, if the policy
// requires down files.
func checkDownFiles(plan Plan, p Policy) error {
	versions := plan.WithoutDown()
	if !p.RequireDown || versions == "" {
		return nil
	}
	return &Refusal{
		Reason: "pending migrations have no down file: " + versions,
		Why:    "--require-down is set, and without a down file they cannot be rolled back",
		Next:   "add their .down.sql files (empty files if there is nothing to roll back), or deploy without --require-down",
	}
}

// checkReversible refuses a migration that has no down script.
func checkReversible(m source.Migration) error {
	switch {
	case m.Irreversible:
		return &Refusal{
			Reason: fmt.Sprintf("version %d (%s) is irreversible", m.Version, m.Name),
			Why:    "its up file contains -- shiplock:irreversible: no SQL can restore what it removes",
			Next:   fmt.Sprintf("roll back to %d only, or roll forward with a new migration; restore earlier data from a backup", m.Version),
		}
	case m.Down != "":
		return nil
	case m.NoDown != "":
		return &Refusal{
			Reason: fmt.Sprintf("version %d (%s) cannot be rolled back here: %s", m.Version, m.Name, m.NoDown),
			Why:    "there is no down SQL to run",
			Next:   fmt.Sprintf("run this with an image that has %d_%s.down.sql and the up file that was applied, or roll back to %d only", m.Version, m.Name, m.Version),
		}
	}
	return &Refusal{
		Reason: fmt.Sprintf("version %d (%s) has no down file", m.Version, m.Name),
		Why:    "it cannot be rolled back; golang-migrate would lower the version and leave the schema unchanged",
		Next:   fmt.Sprintf("add %d_%s.down.sql (an empty file if there is nothing to roll back), or roll back to %d only", m.Version, m.Name, m.Version),
	}
}

func checkDownTarget(c *source.Catalog, st State, to int) error {
	if to > st.Version {
		return &Refusal{
			Reason: fmt.Sprintf("the database is at version %s, below %d", VersionText(st.Version), to),
			Why:    "down only rolls back",
			Next:   "specify a version that migrator status lists as applied; to apply migrations, run: migrator up",
		}
	}
	if err := checkKnown(c, st); err != nil {
		return err
	}
	if _, ok := c.Find(uint(max(to, 0))); !ok && to != NoVersion {
		return &Refusal{
			Reason: fmt.Sprintf("there is no version %d in %s", to, c.Origin()),
			Why:    "the target must be an existing version",
			Next:   "specify a version that migrator status lists, or 0 to roll back everything",
		}
	}
	return nil
}
