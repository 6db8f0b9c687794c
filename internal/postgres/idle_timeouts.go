package postgres

import "strings"

const idleSessionTimeout = "idle_session_timeout"

// idleTimeouts returns the settings of the server that end a session or a transaction after some
// time, or after some time idle. They may be set for a role or a database because of the
// application, and would end the wait for the lock, for a table or for an external tool. The
// server's statement_timeout stays, and a migration may set any of them.
func (db *DB) idleTimeouts() []string {
	names := []string{"idle_in_transaction_session_timeout"}
	if db.Server.versionNum >= 140000 {
		names = append(names, idleSessionTimeout)
	}
	if db.Server.versionNum >= 170000 {
		names = append(names, "transaction_timeout")
	}
	return names
}

// disableIdleTimeoutsSQL returns the SQL that disables the idleTimeouts of the session.
func (db *DB) disableIdleTimeoutsSQL() string {
	var out strings.Builder
	for _, name := range db.idleTimeouts() {
		out.WriteString("SET " + name + " = 0;\n")
	}
	return out.String()
}
