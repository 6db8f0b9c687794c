package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/text"
)

// ServerError returns the server's error, or nil for any other error.
func ServerError(err error) *pq.Error {
	var server *pq.Error
	var lost *LostError
	if errors.As(err, &lost) || !errors.As(err, &server) {
		return nil
	}
	return server
}

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
	finalErr finalError
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

// ErrStandby means that the server is read-only because it is a standby.
var ErrStandby = errors.New("the server is a read-only standby")

// A ConnectLimit is a limit of the attempts to connect.
type ConnectLimit int

const (
	NoConnectLimit       ConnectLimit = iota
	ConnectAttemptsLimit              // Options.ConnectAttempts
	WaitForDBLimit                    // Options.WaitForDB
)

// A ConnectError is a failure to connect to a database or to log in.
type ConnectError struct {
	Target   string // user@host:port/database
	Waited   time.Duration
	Attempts int
	Err      error
	// Limit is the limit that ended the attempts.
	Limit ConnectLimit
	// Permanent is set for errors that a retry does not fix, such as a wrong password.
	Permanent bool
}

func (e *ConnectError) Error() string { return fmt.Sprintf("database %s: %v", e.Target, e.Err) }
func (e *ConnectError) Unwrap() error { return e.Err }

// A LostError is the loss of a connection in use.
type LostError struct {
	Target string
	Err    error
	// Server is the error that the server sent before it ended the session, or nil.
	Server *pq.Error
}

func (e *LostError) Error() string {
	if e.Server != nil {
		return fmt.Sprintf("connection to database %s closed by the server: %s (%s)", e.Target, e.Server.Message, e.Server.Code)
	}
	return fmt.Sprintf("connection to database %s lost: %v", e.Target, e.Err)
}
func (e *LostError) Unwrap() error { return e.Err }

// sessionParams are set as startup parameters, so that RESET ALL restores them.
var sessionParams = map[string]string{"application_name": "shiplock"}

// Open waits for the database, opens a session, and reads the server's properties. Errors are
// *ConnectError, those of the inspection, or the context's cause.
func Open(ctx context.Context, opts Options) (*Session, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Progress == nil {
		opts.Progress = progress.NewLog(opts.Log, progress.DefaultIntervals)
	}
	db := &Session{Opts: opts, Log: opts.Log}
	d := &dialer{}
	var err error
	if db.Conn, err = db.connect(ctx, d); err == nil {
		err = db.verifyRole(ctx)
	}
	if err != nil {
		return nil, errors.Join(db.roleError(ctx, err), db.Close())
	}
	return db, nil
}

// Close ends the session and releases the lock.
func (db *Session) Close() error {
	var err error
	if db.Conn != nil {
		err = db.Conn.Close()
	}
	if errors.Is(err, sql.ErrConnDone) {
		err = nil
	}
	return errors.Join(err, db.pool.Close())
}

// handleNotice handles a message of the server: it logs those that Options.OnNotice does not handle.
func (db *Session) handleNotice(n *pq.Error) {
	if n.Code == pqerror.NoActiveSQLTransaction && db.rollingBack.Load() {
		return
	}
	if db.Opts.OnNotice == nil || !db.Opts.OnNotice(n) {
		db.Log.Info("server message", "severity", n.Severity, "message", text.CleanLine(n.Message))
	}
}

// openPool prepares the connection pool, and does not connect.
func (db *Session) openPool(d *dialer) {
	connector := db.Opts.DSN.With(db.startParams()).Connector(d, attemptTimeout)
	db.pool = sql.OpenDB(pq.ConnectorWithNoticeHandler(errorConnector{connector, &db.finalErr}, db.handleNotice))
	db.pool.SetMaxIdleConns(0)
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

// ReadServerInfo reads the server's properties and the facts of the inspection.
func (db *Session) ReadServerInfo(ctx context.Context) error {
	query := `
		SELECT current_setting('server_version'), current_setting('server_version_num')::int, current_database(), current_user,
			pg_backend_pid(), pg_catalog.pg_postmaster_start_time()::text, coalesce(pg_catalog.inet_client_port(), -1), pg_catalog.pg_is_in_recovery(),
			EXISTS (SELECT FROM pg_catalog.pg_language WHERE lanname = 'plpgsql' AND pg_catalog.has_language_privilege(oid, 'USAGE')), current_setting('server_encoding')`
	info := &db.Server
	to := []any{&info.Version, &info.VersionNum, &info.Database, &info.User, &info.PID, &info.Started, &info.Port, &info.Standby, &info.Plpgsql, &info.Encoding}
	if db.Opts.Inspection != nil {
		columns, from := db.Opts.Inspection.Query()
		query += ",\n\t\t\t" + columns + "\n\t\tFROM " + from
		to = append(to, db.Opts.Inspection.Destinations()...)
	}
	if err := db.QueryRow(ctx, query).Scan(to...); err != nil {
		return db.ClassifyError(ctx, err)
	}
	db.BackendPID.Store(int64(info.PID))
	if db.Opts.Inspection == nil {
		return nil
	}
	return db.Opts.Inspection.Finish()
}

// LocalAddr returns the address of this end of the connection.
func (db *Session) LocalAddr() net.Addr { return db.netConn.LocalAddr() }

// RemoteAddr returns the address of the server or pooler.
func (db *Session) RemoteAddr() net.Addr { return db.netConn.RemoteAddr() }

// Target returns the database's URL without the password.
func (db *Session) Target() string { return db.Opts.DSN.String() }

// Exec runs SQL with the simple query protocol: several statements take one round trip.
func (db *Session) Exec(ctx context.Context, query string) error {
	return db.ExecDirect(ctx, db.roleSQL()+query)
}

// ExecDirect is exec without the role, for use in a transaction that may have failed.
func (db *Session) ExecDirect(ctx context.Context, query string) error {
	defer db.CancelOnDone(ctx)()
	_, err := db.Conn.ExecContext(ctx, query)
	return db.ClassifyError(ctx, err)
}

// ClassifyError returns a *LostError for a lost connection and the cause of a context that ended;
// it returns errors of the server unchanged.
func (db *Session) ClassifyError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var conversion *ConversionError
	if errors.As(err, &conversion) {
		return err // found in a valid answer
	}
	var server *pq.Error
	if errors.As(err, &server) {
		redactRows(server)
		if !server.Fatal() {
			return err
		}
	}
	return &LostError{Target: db.Target(), Err: err, Server: db.finalErr.Load()}
}

// IsLostError reports whether the connection was lost.
func IsLostError(err error) bool {
	var lost *LostError
	return errors.As(err, &lost)
}

// CleanupTimeout limits the work after a run was canceled, such as reading the outcome of a commit
// or resetting the dirty flag. A run must stop within 5 s.
const CleanupTimeout = 3 * time.Second

// Rollback ends the transaction, if one is open, and runs then in a new one. There may be no open
// transaction, for example after a block with a transaction of its own.
func (db *Session) Rollback(ctx context.Context, then string) error {
	db.rollingBack.Store(true)
	defer db.rollingBack.Store(false)
	if then != "" {
		then = BeginReadWrite + db.roleSQL() + then + "COMMIT"
	}
	return db.ExecDirect(ctx, "ROLLBACK;\n"+then)
}

// WithSecondSession calls use with a second session, which has no tables, and closes it.
func (db *Session) WithSecondSession(ctx context.Context, use func(*Session) error) error {
	second, err := db.openSecondSession(ctx)
	if err != nil {
		return err
	}
	return errors.Join(use(second), second.Close())
}

// openSecondSession opens a second session on the same database, within the deadline of ctx.
func (db *Session) openSecondSession(ctx context.Context) (*Session, error) {
	return Open(ctx, db.SecondSessionOptions(ctx))
}

// SecondSessionOptions returns the options of a second session.
func (db *Session) SecondSessionOptions(ctx context.Context) Options {
	opts := db.Opts
	opts.Inspection, opts.OnNotice, opts.WaitForDB = nil, nil, CleanupTimeout
	if deadline, ok := ctx.Deadline(); ok {
		opts.WaitForDB = max(CleanupTimeout, time.Until(deadline))
	}
	return opts
}
