package executor

import (
	"context"
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
