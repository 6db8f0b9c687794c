package finding

// IDs of the rules for files, their names, versions and directives.
const (
	DuplicateVersion        = "duplicate-version"
	VersionNotAboveBase     = "version-not-above-base"
	MergedFileEdited        = "merged-file-edited"
	MergedFileRenamed       = "merged-file-renamed"
	MergedFileDeleted       = "merged-file-deleted"
	BehindBase              = "behind-base"
	InvalidFileName         = "invalid-file-name"
	MissingUp               = "missing-up"
	MissingDown             = "missing-down"
	MismatchedNames         = "mismatched-names"
	InvalidDirective        = "invalid-directive"
	ContradictoryDirectives = "contradictory-directives"
	UnreadableSQL           = "unreadable-sql"
	InvalidAllow            = "invalid-allow"
	UnusedAllow             = "unused-allow"
)

// fileRules are the rules for files, their names, versions and directives.
var fileRules = []Rule{
	{
		ID: DuplicateVersion, Severity: Error, Title: "duplicate version",
		Reason: `Two migrations have one version. Typically two branches took the same next number. The version
table records only the number, so ` + "`migrator up`" + ` refuses the directory. If one of them was applied
already, the other one would never run.`,
		Avoid:   "0007_add_phone.up.sql\n0007_add_email.up.sql",
		Instead: "migrator check --base origin/main --renumber",
	},
	{
		ID: VersionNotAboveBase, Severity: Error, Title: "version not above the base branch",
		Reason: `The version of a new migration is at or below the newest version of the base branch. A database that
is at the base's version would have to apply it out of order, which ` + "`migrator up`" + ` refuses by default
(` + "`--out-of-order fail`" + `).`,
		Avoid:   "base branch: 0007_add_phone.up.sql\nnew file:    0006_add_email.up.sql",
		Instead: "migrator check --base origin/main --renumber",
	},
	{
		ID: MergedFileEdited, Severity: Error, Title: "merged file edited",
		Reason: `A file of the base branch has different SQL here. Databases that applied the file keep the old
result, and ` + "`migrator up`" + ` refuses the edited file (` + "`--on-edited fail`" + `). Changes of comments and white
space are not reported, because they are not part of the checksum.`,
		Instead: "git checkout origin/main -- migrations/0003_orders.up.sql\nmigrator create change_orders",
	},
	{
		ID: MergedFileRenamed, Severity: Error, Title: "merged file renamed",
		Reason: `A file of the base branch has another name here. With another version, databases that applied it
would apply it again. With another name, the version table and the file no longer agree in logs and
reports.`,
		Instead: "git mv migrations/0004_orders.up.sql migrations/0003_orders.up.sql",
	},
	{
		ID: MergedFileDeleted, Severity: Error, Title: "merged file deleted",
		Reason: `A file of the base branch is missing here. A new database would get another schema than the existing
ones, and a rollback of the migration needs the file.`,
		Instead: "git checkout origin/main -- migrations/0003_orders.up.sql",
	},
	{
		ID: BehindBase, Severity: Warning, Title: "file of the base branch missing, reason unknown",
		Reason: `A file of the base branch is missing here, and git does not have the commit at which the branches
diverged, as in a shallow clone. Either this branch deletes the file, or it is behind the base
branch. With the common commit, the two cases differ, and the finding is
` + "[merged-file-deleted](merged-file-deleted.md)" + ` or disappears.`,
		Instead: "git fetch --unshallow origin",
	},
	{
		ID: InvalidFileName, Severity: Error, Title: "invalid file name",
		Reason: `The name of a file is not VERSION_NAME.up.sql or VERSION_NAME.down.sql, or the entry is not a readable
file. Such a file would never run, so ` + "`migrator up`" + ` refuses the directory by default
(` + "`--unrecognized-files fail`" + `).`,
		Avoid:   "0007-add-phone.up.sql",
		Instead: "git mv migrations/0007-add-phone.up.sql migrations/0007_add_phone.up.sql",
	},
	{
		ID: MissingUp, Severity: Error, Title: "missing up file",
		Reason: `A down file has no up file of its version. There is nothing to apply, and so nothing to roll back.
Typically one of the two was renamed or not added to the commit.`,
		Avoid: "0007_add_phone.down.sql",
	},
	{
		ID: MissingDown, Severity: Warning, Title: "missing down file",
		Reason: `A new migration has no down file, so it cannot be rolled back. If that is intended, declare it:
` + "`-- shiplock:irreversible`" + ` in the up file.`,
		Avoid:   "0007_add_phone.up.sql",
		Instead: "0007_add_phone.up.sql\n0007_add_phone.down.sql",
	},
	{
		ID: MismatchedNames, Severity: Warning, Title: "up and down file with different names",
		Reason: `The two files of a version have different names. They are run as a pair, because only the version
counts, but most likely they belong to different migrations.`,
		Avoid:   "0007_add_phone.up.sql\n0007_add_email.down.sql",
		Instead: "0007_add_phone.up.sql\n0007_add_phone.down.sql",
	},
	{
		ID: InvalidDirective, Severity: Error, Title: "invalid directive",
		Reason: `A ` + "`-- shiplock:…`" + ` comment is unknown, has an invalid argument, or is at a place where it has no
effect. Directives belong above the first statement of the up file; see
[directives](../directives.md).`,
		Avoid:   "ALTER TABLE orders ADD COLUMN note text;\n-- shiplock:irreversible",
		Instead: "-- shiplock:irreversible\nALTER TABLE orders ADD COLUMN note text;",
	},
	{
		ID: ContradictoryDirectives, Severity: Error, Title: "contradictory directives",
		Reason: `A directive contradicts another one or the files:

- an irreversible migration has a down file with statements,
- a file that must not run in a transaction contains BEGIN,
- there are two different minimum compatible versions, or one above the migration's own version.`,
		Avoid:   "-- shiplock:no-transaction\nBEGIN;\nALTER TABLE orders ADD COLUMN note text;\nCOMMIT;",
		Instead: "ALTER TABLE orders ADD COLUMN note text;",
	},
	{
		ID: UnreadableSQL, Severity: Warning, Title: "SQL that was not checked",
		Reason: `PostgreSQL's parser rejects a statement, or the file cannot be split into statements. Either the SQL
has a syntax error, or it uses syntax of a newer PostgreSQL release than the parser's (17). The
rules for statements were not applied to it. ` + "`migrator up`" + ` would send the statement to the server.`,
		Avoid:   "ALTER TABEL orders ADD COLUMN note text;",
		Instead: "ALTER TABLE orders ADD COLUMN note text;",
	},
	{
		ID: InvalidAllow, Severity: Error, Title: "invalid allow comment",
		Reason:  `A ` + "`-- shiplock:allow RULE: reason`" + ` comment names an unknown rule or has no reason.`,
		Avoid:   "-- shiplock:allow index-not-concurrent",
		Instead: "-- shiplock:allow index-not-concurrent: the table has 200 rows",
	},
	{
		ID: UnusedAllow, Severity: Warning, Title: "unused allow comment",
		Reason: `A ` + "`-- shiplock:allow RULE: reason`" + ` comment silences nothing: the rule does not report the statement
below it. Remove the comment, so that it cannot silence a later change. In merged files it is not
reported.`,
	},
}
