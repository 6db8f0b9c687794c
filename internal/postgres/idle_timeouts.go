package postgres

import (
	"strings"
)

const IdleSessionTimeout = "idle_session_timeout"

// IdleTimeouts returns the settings of the server that end a session or a transaction after some
// time, or after some time idle. They may be set for a role or a database because of the
// application, and would end the wait for the lock, for a table or for an external tool. The
// server's statement_timeout stays, and a migration may set any of them.
func (db *Session) IdleTimeouts() []string {
	names := []string{"idle_in_transaction_session_timeout"}
	if db.Server.VersionNum >= 140000 {
		names = append(names, IdleSessionTimeout)
	}
	if db.Server.VersionNum >= 170000 {
		names = append(names, "transaction_timeout")
	}
	return names
}

// DisableIdleTimeoutsSQL returns the SQL that disables the IdleTimeouts of the session.
func (db *Session) DisableIdleTimeoutsSQL() string {
	var out strings.Builder
	for _, name := range db.IdleTimeouts() {
		out.WriteString("SET " + name + " = 0;\n")
	}
	return out.String()
}

// KeepaliveSQL returns the settings that make the server detect a lost client within 10 seconds. By
// default, it checks the connection only when a statement ends and holds the locks until then;
// after the client's machine has crashed, detection takes hours. client_connection_check_interval
// exists since PostgreSQL 14; TCP settings have no effect on a Unix socket.
func (db *Session) KeepaliveSQL() string {
	if db.Shared {
		return "" // the session is shared; lock.Locker.Begin sets them for the transaction
	}
	const keepalives = "SET tcp_keepalives_idle = 4;\nSET tcp_keepalives_interval = 2;\nSET tcp_keepalives_count = 3;\n"
	if db.Server.VersionNum < 140000 {
		return keepalives + db.DisableIdleTimeoutsSQL()
	}
	return "SET client_connection_check_interval = 3000;\n" + keepalives + db.DisableIdleTimeoutsSQL()
}
