package postgres

import "regexp"

// passwordPattern knows SQL that holds one: PASSWORD with a literal behind it, as in CREATE
// ROLE and in the OPTIONS of a user mapping, also within a DO block or a function; and
// a connection string with one, as of a subscription. That of data (UPDATE users SET
// password = '…') is the application's own, and a hash in every decent one.
var passwordPattern = regexp.MustCompile(`(?i)\bpassword\s+(?:e|u&)?(?:'|\$)|'[^']*\b(?:host|hostaddr|user|dbname|port)\s*=[^']*\bpassword\s*=|\bpassword\s*=[^']*\b(?:host|hostaddr|user|dbname|port)\s*=[^']*'|\bpostgres(?:ql)?://[^\s:/@'"]*:[^\s'"]+@`)

// omitSQLWithPassword takes SQL with a password out of what the journal is to keep: the journal
// can be read by who may not know it. What is left is the checksum.
func (db *DB) omitSQLWithPassword(m *migration) {
	ours, theirs := &m.run.upSQL, &m.run.downSQL
	if m.run.Direction == "down" {
		ours, theirs = theirs, ours
	}
	if passwordPattern.MatchString(*ours) {
		*ours = ""
		db.log.Warn("the SQL has a password, so the journal keeps its checksum only: an image without this file cannot undo it", "file", m.script.Name)
	}
	if passwordPattern.MatchString(*theirs) {
		*theirs = ""
	}
}
