package postgres

import (
	"fmt"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/servermessage"
)

// The role of a session (Options.Role) is set by a startup parameter: RESET ROLE in a migration
// then returns to it (manual, "SET ROLE"), and it needs no round trip. A pooler does not support
// this parameter. Behind a pooler, each transaction sets the role with SET LOCAL, so that no other
// client inherits it; if the session turns out not to be shared, with SET.

// RoleError reports a role that the session cannot be set to.
type RoleError struct {
	Role, User string
	Missing    bool // the role does not exist; otherwise it is not granted
	// SetOption reports whether memberships have a SET option (PostgreSQL 16 and later), which a
	// GRANT does not change unless it specifies it.
	SetOption bool
	Err       error
}

func (e *RoleError) Error() string { return fmt.Sprintf("role %q: %v", e.Role, e.Err) }
func (e *RoleError) Unwrap() error { return e.Err }

// startParams returns the startup parameters of a session.
func (db *Session) startParams() map[string]string {
	params := map[string]string{}
	for name, value := range sessionParams {
		params[name] = value
	}
	if db.Opts.Role != "" && !db.Opts.roleBySQL {
		params["role"] = db.Opts.Role
		db.roleSet = true
	}
	return params
}

// roleParamRejected reports whether a pooler rejected the role parameter, and switches to SET ROLE.
func (db *Session) roleParamRejected(err error) bool {
	refusal := pq.As(err, pqerror.ProtocolViolation)
	if refusal == nil || !db.roleSet || !servermessage.MentionsRole(refusal) {
		return false
	}
	db.Opts.roleBySQL, db.roleSet = true, false
	return true
}

// roleSQL returns the SQL that sets the role before a query outside a transaction.
func (db *Session) roleSQL() string {
	if db.Opts.Role == "" || db.roleSet || db.TxOpen {
		return ""
	}
	return db.setRoleSQL("LOCAL ")
}

// RestoreRoleSQL returns the SQL that sets the role after RESET ROLE.
func (db *Session) RestoreRoleSQL() string {
	switch {
	case db.Opts.Role == "":
		return ""
	case db.Shared:
		return db.setRoleSQL("LOCAL ")
	case db.Opts.roleBySQL:
		return db.setRoleSQL("")
	}
	return ""
}

func (db *Session) setRoleSQL(local string) string {
	return "SET " + local + "ROLE " + pq.QuoteIdentifier(db.Opts.Role) + ";\n"
}

// LocalRoleSQL returns the SQL that sets the role for the current transaction; empty if the session
// has it.
func (db *Session) LocalRoleSQL() string {
	if db.Opts.Role == "" || db.roleSet {
		return ""
	}
	return db.setRoleSQL("LOCAL ")
}

// sessionParams are set as startup parameters, so that RESET ALL restores them.
var sessionParams = map[string]string{"application_name": "shiplock"}
