package postgres

import (
	"database/sql"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/postgres/wire"
	"github.com/shiplock/shiplock/internal/progress"
)

// Options are the settings of a session.
type Options struct {
	DSN dsn.DSN
	// Role is the role that each session assumes after the login, and the owner of the objects
	// that it creates. Empty means the login role.
	Role string
	// WaitForDB is the maximum time to wait for a server that cannot be reached or is not
	// ready yet; 0 means one attempt, and math.MaxInt64 no limit.
	WaitForDB time.Duration
	// ConnectAttempts is the maximum number of attempts within WaitForDB; 0 means no limit.
	ConnectAttempts int
	// ConnectDelay is the pause between two attempts; 0 means an increasing pause.
	ConnectDelay time.Duration
	// LockTimeout is the maximum time that a statement waits for a lock before its migration
	// is rolled back and retried: every later query on the table waits behind the statement.
	// 0 means the server's setting.
	LockTimeout time.Duration
	// StatementTimeout is the maximum duration of a statement; 0 means the server's setting.
	StatementTimeout time.Duration
	// Inspection reads facts of the caller in the first query; nil for none.
	Inspection Inspection
	// OnNotice handles a message of the server and reports whether it did; other messages are
	// logged. nil for none.
	OnNotice func(*pq.Error) bool
	Log      *slog.Logger
	// Progress shows the progress of long operations; nil means lines in Log.
	Progress *progress.Display

	roleBySQL bool // see role.go
}

// A Session is one session on one database. It is not safe for concurrent use.
type Session struct {
	Opts Options
	Log  *slog.Logger
	// Conn is the connection, for a protocol that the methods do not support (COPY).
	Conn *sql.Conn
	// Server describes the server that the session is connected to.
	Server ServerInfo
	// Shared is set behind a connection pooler in transaction mode: other clients use the same
	// server sessions between the transactions of this one. See DetectTransactionPooling.
	Shared bool
	// TxOpen is set while a transaction is open that has the session's role.
	TxOpen bool
	// TxStarted is the start of that transaction by the server's clock, in microseconds; see
	// EpochMicroseconds.
	TxStarted int64
	// BackendPID is Server.PID. Other goroutines may read it.
	BackendPID atomic.Int64

	pool     *sql.DB
	netConn  net.Conn
	finalErr wire.FinalError
	// encodable has the characters that were checked against the database's encoding; see
	// ProbeEncoding.
	encodable map[rune]bool
	// roleSet is set when the session has assumed Options.Role.
	roleSet bool
	// rollingBack suppresses PostgreSQL's warning that no transaction is in progress.
	rollingBack atomic.Bool
}

// ServerInfo describes the server of a session.
type ServerInfo struct {
	Version  string // as in "15.18"
	Database string
	User     string
	PID      int // of the session's backend
	// Started identifies the server process: it changes after a restart or a failover.
	Started string
	Port    int // of the client, -1 on a Unix socket
	// Standby reports whether the server is a standby, which only replays its primary's changes.
	Standby    bool
	Plpgsql    bool
	VersionNum int // as in 150018
	// Encoding is the database's encoding, such as "UTF8".
	Encoding string
}

// An Inspection reads facts of its caller in the first query of a session, which saves a round trip.
type Inspection interface {
	// Query returns the columns, and the FROM clause without the keyword.
	Query() (columns, from string)
	// Destinations returns the pointers to which the columns are copied.
	Destinations() []any
	// Finish processes the columns. Its error ends the session.
	Finish() error
}

// LocalAddr returns the address of this end of the connection.
func (db *Session) LocalAddr() net.Addr { return db.netConn.LocalAddr() }

// RemoteAddr returns the address of the server or pooler.
func (db *Session) RemoteAddr() net.Addr { return db.netConn.RemoteAddr() }

// Target returns the database's URL without the password.
func (db *Session) Target() string { return db.Opts.DSN.String() }
