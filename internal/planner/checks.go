package planner

import (
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/source"
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
	more := len(st.Edited) - 1
	if ran, same := st.LineEndings[m.Version]; same {
		return &Refusal{Cause: OtherLineEndings, File: m.Up, More: more, LineEndings: ran}
	}
	return &Refusal{Cause: EditedFile, File: m.Up, More: more}
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
		return &Refusal{Cause: UnrecordedVersion, DatabaseVersion: st.Version, Origin: c.Origin(), Newest: int(c.Files().Latest())}
	}
	return &Refusal{Cause: UnknownVersion, DatabaseVersion: st.Version, Origin: c.Origin(), Newest: int(c.Files().Latest())}
}

// checkSameApplication refuses files none of which matches what was applied: with the
// files of another application, nearly every migration would be rolled back.
func checkSameApplication(files *source.Catalog, st State, p Policy) error {
	applied := appliedUpTo(files, st, int(files.Latest()))
	edited := len(st.Edited) - len(st.LineEndings)
	if edited == 0 || edited < len(applied) || p.OnEdited == AllowEdited {
		return nil
	}
	return &Refusal{Cause: OtherApplication, Origin: files.Origin(), Newest: int(files.Latest())}
}

// checkMinCompatibleVersion refuses files whose newest version is below the minimum
// compatible version of an applied migration.
func checkMinCompatibleVersion(files *source.Catalog, st State) error {
	var newest history.Entry
	for _, r := range st.Entries {
		applied := st.IsApplied(r) || st.isPartial(r)
		if v := r.Stored.MinCompatibleVersion; applied && v > files.Latest() && v > newest.Stored.MinCompatibleVersion {
			newest = r
		}
	}
	if newest.Stored.MinCompatibleVersion == 0 {
		return nil
	}
	return &Refusal{Cause: IncompatibleFiles, Version: newest.Version, Name: newest.Name,
		MinCompatibleVersion: newest.Stored.MinCompatibleVersion, Newest: int(files.Latest())}
}

// checkDownFiles refuses a plan that applies migrations without a down file, if the policy
// requires down files.
func checkDownFiles(plan Plan, p Policy) error {
	missing := plan.withoutDown()
	if !p.RequireDown || len(missing) == 0 {
		return nil
	}
	return &Refusal{Cause: DownFilesRequired, Migrations: missing}
}

// checkReversible refuses a migration that has no down script.
func checkReversible(m source.Migration) error {
	switch {
	case m.Irreversible:
		return &Refusal{Cause: IrreversibleMigration, Version: int(m.Version), Name: m.Name}
	case m.Down != "":
		return nil
	case m.NoDown != "":
		return &Refusal{Cause: NoDownScript, Version: int(m.Version), Name: m.Name, NoDown: m.NoDown}
	}
	return &Refusal{Cause: NoDownFile, Version: int(m.Version), Name: m.Name}
}

func checkDownTarget(c *source.Catalog, st State, to int) error {
	if to > st.Version {
		return &Refusal{Cause: TargetAboveDatabase, DatabaseVersion: st.Version, Target: to}
	}
	if err := checkKnown(c, st); err != nil {
		return err
	}
	if _, ok := c.Find(uint(max(to, 0))); !ok && to != NoVersion {
		return &Refusal{Cause: UnknownTarget, Target: to, Origin: c.Origin()}
	}
	return nil
}
