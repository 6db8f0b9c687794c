package executor

import (
	"context"
	"regexp"

	"github.com/shiplock/shiplock/internal/source"
)

// omitUnencodableSQL removes SQL that the database cannot represent from the history row.
func (ex *Executor) omitUnencodableSQL(ctx context.Context, m *Migration) {
	if ex.session.EncodesAllCharacters() {
		return
	}
	identity := ex.store.Opts.Identity
	ex.session.ProbeEncoding(ctx, m.continuesTx || ex.session.TxOpen, m.Entry.UpSQL, m.Entry.DownSQL, m.Entry.Name, m.Script.Name, identity.Release, identity.Revision, identity.Namespace, identity.Pod, ex.session.Opts.Role)
	m.Script.Shown = ex.session.ReplaceUnencodable(m.Script.Name)
	for _, text := range []*string{&m.Entry.UpSQL, &m.Entry.DownSQL} {
		if ex.session.HasUnencodable(*text) {
			*text = ""
			ex.log.Warn("SQL not stored in the history table; rollback requires the migration files", "reason", "not representable in the database encoding",
				"file", m.Script.Name, "encoding", ex.session.Server.Encoding)
		}
	}
}

// passwordPattern matches SQL that contains a password: PASSWORD followed by a literal, as in
// CREATE ROLE and in the OPTIONS of a user mapping, also in a DO block or a function; and a
// connection string with a password, as in a subscription. It does not match passwords in the
// application's data (UPDATE users SET password = '…'), which should be hashes.
var passwordPattern = regexp.MustCompile(`(?i)\bpassword\s+(?:e|u&)?(?:'|\$)|'[^']*\b(?:host|hostaddr|user|dbname|port)\s*=[^']*\bpassword\s*=|\bpassword\s*=[^']*\b(?:host|hostaddr|user|dbname|port)\s*=[^']*'|\bpostgres(?:ql)?://[^\s:/@'"]*:[^\s'"]+@`)

// omitSQLWithPassword removes SQL with a password from the history row: roles that can read the
// history table may not be allowed to know the password. The row keeps the checksum.
func (ex *Executor) omitSQLWithPassword(m *Migration) {
	own, reverse := &m.Entry.UpSQL, &m.Entry.DownSQL
	if m.Entry.Direction == source.Down {
		own, reverse = reverse, own
	}
	if passwordPattern.MatchString(*own) {
		*own = ""
		ex.log.Warn("SQL not stored in the history table; rollback requires the migration files", "reason", "contains a password", "file", m.Script.Name)
	}
	if passwordPattern.MatchString(*reverse) {
		*reverse = ""
	}
}
