package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/text"
)

// serverError returns the server's error, or nil for any other error.
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
	// Table is the version table's name, or "schema.table" (see versiontable.Parse). The default
	// schema is the first one of the search path, as with golang-migrate.
	Table string
	// WaitForDB is the maximum time to wait for a server that cannot be reached or is not
	// ready yet; 0 means one attempt, and math.MaxInt64 no limit.
	WaitForDB time.Duration
	// ConnectAttempts is the maximum number of attempts within WaitForDB; 0 means no limit.
	ConnectAttempts int
	// ConnectDelay is the pause between two attempts; 0 means an increasing pause.
	ConnectDelay time.Duration
	// LockWait is the maximum time to wait for another migrator; 0 means one attempt.
	LockWait time.Duration
	// LockTimeout is the maximum time that a statement waits for a lock before its migration
	// is rolled back and retried: every later query on the table waits behind the statement.
	// 0 means the server's setting.
	LockTimeout time.Duration
	// StatementTimeout is the maximum duration of a statement; 0 means the server's setting.
	StatementTimeout time.Duration
	roleBySQL        bool // see role.go
	// resolvedTable is the version table of the session whose tables this one uses; see DB.SameTables.
	ResolvedTable history.TableName
	// SkipTableCheck skips CheckTables, for sessions that only read.
	SkipTableCheck bool
	// ExternalToolLock makes Lock take the lock of external tools instead of the migration lock.
	ExternalToolLock bool
	Identity         history.Identity
	Log              *slog.Logger
	// Progress shows the progress of long operations; nil means lines in Log.
	Progress *progress.Display
}

// A DB is one session on one database. It is not safe for concurrent use.
type DB struct {
	Opts Options
	log  *slog.Logger
	pool *sql.DB
	Conn *sql.Conn

	Server     ServerInfo
	inspection Inspection // of the tables; nil for none
	// noticeHandler handles a message of the server and reports whether it did; nil for none.
	noticeHandler func(*pq.Error) bool
	Table         history.TableName
	// tableResolved is set once the table's schema is known; a later search_path does not change
	// it.
	TableResolved      bool
	Tables             history.TableFacts
	VersionTableExists bool
	HistoryExists      bool
	// historyUnavailable is set if there is no history table and no privilege to create it.
	HistoryUnavailable bool
	LockDepth          int                                 // number of nested calls; 0 means not locked
	lockNotNeeded      func(context.Context) (bool, error) // see LockUnless
	// encodable has the characters that were checked against the database's encoding; see
	// probeEncoding.
	encodable map[rune]bool
	// recordingStarted is set when the server has sent recordingNotice.
	recordingStarted atomic.Bool

	NetConn  net.Conn // of the session
	finalErr finalError
	// pooled is set behind a connection pooler in transaction mode; see sharesServers.
	Shared bool
	// lockTxOpen is set while a transaction is open that holds the lock.
	TxOpen       bool
	TxStarted    int64              // time by the server's clock; see epochMicroseconds
	savedTxState executor.TxState   // of a transaction
	Guard        dataloss.LossGuard // of the running migration

	// roleSet is set when the session has assumed Options.Role.
	RoleSet bool
	// marker is the number of the running statement, as the server reports it.
	marker atomic.Int64
	// runPosition is the current file and statement, and watcher its observer or nil.
	RunPosition activity.PositionTracker
	Watcher     *activity.Watcher
	BackendPID  atomic.Int64 // Server.PID, for the watcher
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
	// encoding is the database's encoding, such as "UTF8".
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

// Open waits for the database, opens a session, and reads the server's properties and the tables.
// Errors are *ConnectError, ErrNoSchema, or the context's cause.
func Open(ctx context.Context, opts Options) (*Session, error) {
	db := &Session{Opts: opts}
	db.inspection, db.noticeHandler = db, db.OnNotice
	if err := db.Open(ctx); err != nil {
		return nil, err
	}
	if !opts.SkipTableCheck || db.Table.Schema == "" {
		if err := db.CheckTables(); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	db.TableResolved = true
	return db, nil
}

// open waits for the database, opens the session, and reads the server's properties. Errors are
// *ConnectError, those of the inspection, or the context's cause.
func (db *Session) Open(ctx context.Context) error {
	if db.Opts.Log == nil {
		db.Opts.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if db.Opts.Progress == nil {
		db.Opts.Progress = progress.NewLog(db.Opts.Log, progress.DefaultIntervals)
	}
	db.log = db.Opts.Log
	d := &dialer{}
	var err error
	if db.Conn, err = db.connect(ctx, d); err == nil {
		err = db.verifyRole(ctx)
	}
	if err != nil {
		return errors.Join(db.roleError(ctx, err), db.Close())
	}
	return nil
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

// handleNotice handles a message of the server: it logs those that noticeHandler does not handle.
func (db *Session) handleNotice(n *pq.Error) {
	if n.Code == pqerror.NoActiveSQLTransaction && db.rollingBack.Load() {
		return
	}
	if db.noticeHandler == nil || !db.noticeHandler(n) {
		db.log.Info("server message", "severity", n.Severity, "message", text.CleanLine(n.Message))
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

// readServerInfo reads the server's properties and the facts of the inspection.
func (db *Session) ReadServerInfo(ctx context.Context) error {
	query := `
		SELECT current_setting('server_version'), current_setting('server_version_num')::int, current_database(), current_user,
			pg_backend_pid(), pg_catalog.pg_postmaster_start_time()::text, coalesce(pg_catalog.inet_client_port(), -1), pg_catalog.pg_is_in_recovery(),
			EXISTS (SELECT FROM pg_catalog.pg_language WHERE lanname = 'plpgsql' AND pg_catalog.has_language_privilege(oid, 'USAGE')), current_setting('server_encoding')`
	info := &db.Server
	to := []any{&info.Version, &info.VersionNum, &info.Database, &info.User, &info.PID, &info.Started, &info.Port, &info.Standby, &info.Plpgsql, &info.Encoding}
	if db.inspection != nil {
		columns, from := db.inspection.Query()
		query += ",\n\t\t\t" + columns + "\n\t\tFROM " + from
		to = append(to, db.inspection.Destinations()...)
	}
	if err := db.QueryRow(ctx, query).Scan(to...); err != nil {
		return db.ClassifyError(ctx, err)
	}
	db.BackendPID.Store(int64(info.PID))
	if db.inspection == nil {
		return nil
	}
	return db.inspection.Finish()
}

// Table returns the version table as "schema.table".
func (db *Session) Table() string { return db.Table.String() }

// Target returns the database's URL without the password.
func (db *Session) Target() string { return db.Opts.DSN.String() }

// exec runs SQL with the simple query protocol: several statements take one round trip.
func (db *Session) Exec(ctx context.Context, query string) error {
	return db.ExecDirect(ctx, db.roleSQL()+query)
}

// execDirect is exec without the role, for use in a transaction that may have failed.
func (db *Session) ExecDirect(ctx context.Context, query string) error {
	defer db.CancelOnDone(ctx)()
	_, err := db.Conn.ExecContext(ctx, query)
	return db.ClassifyError(ctx, err)
}

// classifyError returns a *LostError for a lost connection and the cause of a context that ended;
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

func IsLostError(err error) bool {
	var lost *LostError
	return errors.As(err, &lost)
}

// cleanupTimeout limits the work after a run was canceled, such as reading the outcome of a commit
// or resetting the dirty flag. A run must stop within 5 s.
const CleanupTimeout = 3 * time.Second

// rollback ends the transaction, if one is open, and runs then in a new one. There may be no open
// transaction, for example after a block with a transaction of its own.
func (db *Session) Rollback(ctx context.Context, then string) error {
	db.rollingBack.Store(true)
	defer db.rollingBack.Store(false)
	if then != "" {
		then = BeginReadWrite + db.roleSQL() + then + "COMMIT"
	}
	return db.ExecDirect(ctx, "ROLLBACK;\n"+then)
}

// withSecondSession calls use with a second session, which has no tables, and closes it.
func (db *Session) WithSecondSession(ctx context.Context, use func(*Session) error) error {
	second, err := db.openSecondSession(ctx)
	if err != nil {
		return err
	}
	return errors.Join(use(second), second.Close())
}

// openSecondSession opens a second session on the same database, within the deadline of ctx.
func (db *Session) openSecondSession(ctx context.Context) (*Session, error) {
	second := &Session{Opts: db.SecondSessionOptions(ctx)}
	if err := second.Open(ctx); err != nil {
		return nil, err
	}
	return second, nil
}

// secondSessionOptions returns the options of a second session.
func (db *Session) SecondSessionOptions(ctx context.Context) Options {
	opts := db.Opts
	opts.WaitForDB = CleanupTimeout
	if deadline, ok := ctx.Deadline(); ok {
		opts.WaitForDB = max(CleanupTimeout, time.Until(deadline))
	}
	return opts
}
