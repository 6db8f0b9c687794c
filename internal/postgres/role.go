package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// A role that the session acts as (Options.Role) is asked for when the session
// starts, as a parameter of its own: RESET ROLE in a migration then leads back to
// it (manual, "SET ROLE"), and it costs no round trip. A pooler knows no such
// parameter. Behind one each transaction gets it by SET LOCAL, so that nobody else
// finds it in the session later; once it is known that the session is ours, by SET.

// RoleError is a role that the session may not act as.
type RoleError struct {
	Role, User string
	Missing    bool // there is no such role; else it was not granted
	// SetOption reports that a membership has a SET option (PostgreSQL 16 and later),
	// which a GRANT leaves as it is unless it names it.
	SetOption bool
	Err       error
}

func (e *RoleError) Error() string { return fmt.Sprintf("role %q: %v", e.Role, e.Err) }
func (e *RoleError) Unwrap() error { return e.Err }

// startParams are sent when a session starts.
func (db *DB) startParams() map[string]string {
	params := map[string]string{}
	for name, value := range sessionParams {
		params[name] = value
	}
	if db.opts.Role != "" && !db.opts.roleBySQL {
		params["role"] = db.opts.Role
		db.roleSet = true
	}
	return params
}

// knowsNoRole says that a pooler refuses the parameter, and goes over to SQL.
func (db *DB) roleParamRejected(err error) bool {
	refusal := pq.As(err, pqerror.ProtocolViolation)
	if refusal == nil || !db.roleSet || !strings.Contains(refusal.Message, "role") {
		return false
	}
	db.opts.roleBySQL, db.roleSet = true, false
	return true
}

// checkRole sees to it that a pooler has not swallowed the parameter.
func (db *DB) verifyRole(ctx context.Context) error {
	if db.opts.Role == "" || db.Server.User == db.opts.Role || db.opts.roleBySQL {
		return nil
	}
	db.opts.roleBySQL, db.roleSet = true, false
	return db.readServerInfo(ctx)
}

// act is the SQL that goes before a query outside of a transaction of ours.
func (db *DB) roleSQL() string {
	if db.opts.Role == "" || db.roleSet || db.lockTxOpen {
		return ""
	}
	return db.setRoleSQL("LOCAL ")
}

// actAgain is the SQL that goes behind RESET ROLE.
func (db *DB) restoreRoleSQL() string {
	switch {
	case db.opts.Role == "":
		return ""
	case db.pooled:
		return db.setRoleSQL("LOCAL ")
	case db.opts.roleBySQL:
		return db.setRoleSQL("")
	}
	return ""
}

func (db *DB) setRoleSQL(local string) string {
	return "SET " + local + "ROLE " + pq.QuoteIdentifier(db.opts.Role) + ";\n"
}

// keepRole is for a session that has turned out to be ours, or not.
func (db *DB) persistRole(ctx context.Context) error {
	switch {
	case db.opts.Role == "":
	case db.pooled:
		db.roleSet = false
	case db.opts.roleBySQL:
		if err := db.exec(ctx, db.setRoleSQL("")); err != nil {
			return err
		}
		db.roleSet = true
	}
	return nil
}

// roleError gives the server's refusal of the role its own type.
func (db *DB) roleError(ctx context.Context, err error) error {
	refusal := pq.As(err, pqerror.InvalidParameterValue, pqerror.InsufficientPrivilege, pqerror.UndefinedObject)
	if db.opts.Role == "" || refusal == nil || !strings.Contains(refusal.Message, db.opts.Role) ||
		!strings.Contains(refusal.Message, "role") && !strings.Contains(refusal.Routine, "check_hook") { // of a server that speaks another language
		return err
	}
	fail := &RoleError{Role: db.opts.Role, User: db.opts.DSN.User(), Missing: refusal.Code != pqerror.InsufficientPrivilege, Err: refusal}
	if !fail.Missing {
		fail.SetOption = db.hasSetOption(ctx)
	}
	var connect *ConnectError
	if errors.As(err, &connect) {
		connect.Err = fail
		return connect
	}
	return &ConnectError{Target: db.Target(), Attempts: 1, Err: fail, Permanent: true}
}

// hasSetOption asks the server, as the user alone, whether its memberships have a SET option.
func (db *DB) hasSetOption(ctx context.Context) bool {
	short, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	has := false
	opts := db.opts
	opts.Role, opts.WaitForDB = "", 0
	alone, err := Open(short, opts)
	if err == nil {
		has = alone.Server.versionNum >= 160000
		err = alone.Close()
	}
	if err != nil {
		db.log.Debug("the server's version could not be read", "error", err)
	}
	return has
}
