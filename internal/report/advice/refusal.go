package advice

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// Refusal returns the cause of a refusal and the advice.
func Refusal(r *planner.Refusal) (why, next string) {
	switch r.Cause {
	case planner.Dirty:
		version := planner.VersionText(r.DatabaseVersion)
		return "a migration that does not run in one transaction, or one of another tool, was interrupted; it is unknown which of its statements were applied",
			fmt.Sprintf("compare the schema with the file of version %s and complete it manually, then run: migrator repair --applied\n"+
				"or roll back its changes manually, then run: migrator repair --rolled-back\nthen deploy again (the version table is %s)", version, r.Table)
	case planner.UpPartiallyApplied:
		return "its down script rolls back the whole migration, but only a part of it is applied",
			"complete it with the release that has it (migrator up), then roll back; or roll back its changes manually, then run: migrator repair --rolled-back"
	case planner.DownPartiallyApplied:
		return "it must be completed before anything else runs",
			fmt.Sprintf("run: migrator down --to %d", max(r.DatabaseVersion, 0))
	case planner.NoFileToResume:
		return "it can be completed only with its file",
			"deploy the release that has the file, or resolve it manually, then run migrator repair --applied or --rolled-back"
	case planner.NoUpFile:
		return "there is nothing to apply", "add the up file, or remove the down file"
	case planner.NoDownFile:
		return "it cannot be rolled back; golang-migrate would lower the version and leave the schema unchanged",
			fmt.Sprintf("add %d_%s.down.sql (an empty file if there is nothing to roll back), or roll back to %d only", r.Version, r.Name, r.Version)
	case planner.NoDownScript:
		return "there is no down SQL to run",
			fmt.Sprintf("run this with an image that has %d_%s.down.sql and the up file that was applied, or roll back to %d only", r.Version, r.Name, r.Version)
	case planner.IrreversibleMigration:
		return "its up file contains -- " + sqlfile.Irreversible + ": no SQL can restore what it removes",
			fmt.Sprintf("roll back to %d only, or roll forward with a new migration; restore earlier data from a backup", r.Version)
	case planner.DownFilesRequired:
		return "--require-down is set, and without a down file they cannot be rolled back",
			"add their .down.sql files (empty files if there is nothing to roll back), or deploy without --require-down"
	case planner.EditedFile:
		return "the edited SQL was never run on this database; changes to comments and white space are ignored",
			"restore the file and write a new migration, or set --on-edited allow if the database is correct as it is"
	case planner.OtherLineEndings:
		return explainLineEndings(r.File, r.LineEndings)
	case planner.PendingOutOfOrder:
		return "its version is below one that was already applied; golang-migrate would skip it silently",
			"rename it to a version above the newest, or set --out-of-order apply if it can run now"
	case planner.UnknownVersion:
		return "a file was renamed or removed, or these are the migrations of another application or of an older release",
			fmt.Sprintf("restore the file of version %d, or correct --source or --table", r.DatabaseVersion)
	case planner.UnrecordedVersion:
		return "another tool applied it, or there is no history table, so its down SQL is unknown",
			fmt.Sprintf("run this with the image that has the files up to version %d", r.DatabaseVersion)
	case planner.DatabaseAhead:
		why = "this release is older than the schema that it would run on"
		if len(r.Migrations) > 0 {
			why += "; applied migrations that are not in the files: " + planner.Names(r.Migrations)
		}
		return why, "deploy the newer release, or set --on-newer allow if this release is compatible with the newer schema, or roll back the newer migrations: migrator down --to-files"
	case planner.IncompatibleFiles:
		return fmt.Sprintf("its up file contains -- %s %d: the schema no longer has what this release requires", sqlfile.MinCompatibleVersion, r.MinCompatibleVersion),
			fmt.Sprintf("deploy a release that has version %d; or roll back first: migrator down --to-files (--dry-run shows the steps), or set rollback.when: pre-rollback in the chart", r.MinCompatibleVersion)
	case planner.OtherApplication:
		return fmt.Sprintf("the database may belong to another application; everything above version %d would be rolled back", r.Newest),
			"check that --database-url, --table and --source belong together; if all files were edited, set --on-edited allow"
	case planner.TargetAboveDatabase:
		return "down only rolls back", "specify a version that migrator status lists as applied; to apply migrations, run: migrator up"
	case planner.UnknownTarget:
		return "the target must be an existing version", "specify a version that migrator status lists, or 0 to roll back everything"
	}
	return "", ""
}

// explainLineEndings explains a file that differs from what was applied only in its line
// endings.
func explainLineEndings(file string, applied sqlfile.LineEndings) (why, next string) {
	difference, keep := "the file has LF where CRLF was applied", file+" text eol=crlf"
	switch applied {
	case sqlfile.LF:
		difference, keep = "the file has CRLF where LF was applied", "*.sql text eol=lf"
	case sqlfile.MixedLineEndings:
		difference, keep = "the file had both LF and CRLF when it was applied", file+" -text"
	}
	return difference + "; otherwise, it is identical. Git converts line endings like this with core.autocrlf. PostgreSQL stores the line breaks of a string " +
			"or a function body as they are in the file, so they count",
		fmt.Sprintf("restore the line endings, and keep them with this line in .gitattributes: %s\n"+
			"or set --on-edited allow if the database is correct as it is", keep)
}
