package postgres

import "strings"

const idleSessionTimeout = "idle_session_timeout"

// idleTimeouts are the settings of this server that end a session, or a transaction, for
// how long it has lasted or been idle. A role or a database may have them for its
// application; here they would end a wait for the lock, for a table or for a tool.
// Statements keep the server's statement_timeout, and a migration may set any of them
// for itself.
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

// disableIdleTimeoutsSQL is the SQL that sets the idleTimeouts of a session of our own to none.
func (db *DB) disableIdleTimeoutsSQL() string {
	var out strings.Builder
	for _, name := range db.idleTimeouts() {
		out.WriteString("SET " + name + " = 0;\n")
	}
	return out.String()
}
