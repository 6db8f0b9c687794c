// Package postgres runs migrations on one PostgreSQL database: it connects,
// waits, locks, and applies each migration so that it happens once or not at all.
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

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/progress"
)

// Options say how to reach a database and where its version is kept.
type Options struct {
	DSN config.DSN
	// Role is what each session becomes after it has logged in, so that what it makes
	// belongs to that role. Empty leaves the user that it has logged in as.
	Role string
	// Table is the version table's name, or "schema.table" (see config.ParseTable).
	// Without a schema it is the first one of the search path, as with golang-migrate.
	Table string
	// WaitForDB is how long to wait for a server that cannot be reached or is not
	// ready yet; 0 is one attempt, and math.MaxInt64 no bound.
	WaitForDB time.Duration
	// ConnectAttempts bounds the attempts within WaitForDB; 0 is no bound.
	ConnectAttempts int
	// ConnectDelay is the pause between two attempts; 0 is one that grows.
	ConnectDelay time.Duration
	// LockWait is how long to wait for another migrator; 0 is one attempt.
	LockWait time.Duration
	// LockTimeout is how long a statement may wait for a lock before its migration
	// is rolled back and tried again: while it waits, every later query on that
	// table waits behind it. 0 leaves it to the server's own setting.
	LockTimeout time.Duration
	// StatementTimeout is the most that one statement may take; 0 leaves it to the
	// server's own setting.
	StatementTimeout time.Duration
	roleBySQL        bool // see role.go
	// place is where another session's tables are, for one that is to use the same; see DB.Here.
	resolvedTable tableName
	// Unchecked leaves out CheckTables, for who only looks.
	SkipTableCheck bool
	// ForTool makes Lock take the lock of foreign tools and not that of migrations.
	ExternalToolLock bool
	Identity         Identity
	Log              *slog.Logger
	// Progress shows what takes long; nil is lines in Log.
	Progress *progress.Display
}

// DB is one session on one database. It is not safe for concurrent use.
type DB struct {
	opts Options
	log  *slog.Logger
	pool *sql.DB
	conn *sql.Conn

	Server ServerInfo
	table  tableName
	// placed says that the table's schema is settled, whatever the search_path is later.
	tableResolved      bool
	tables             tableFacts
	versionTableExists bool // the version table
	// journaled says that the journal exists.
	historyExists bool
	// unjournaled says that there is no journal and no right to make one.
	historyUnavailable bool
	lockDepth          int                                 // depth; the lock is held while it is above 0
	lockNotNeeded      func(context.Context) (bool, error) // see LockUnless
	// fits says of characters whether the database's encoding holds them; see probeEncoding.
	encodable map[rune]bool
	// recording says that the server has reported recordingNotice.
	recordingStarted atomic.Bool

	netConn net.Conn // below the session
	words   finalError
	// pooled says that transactions may reach different servers; see sharesServers.
	pooled bool
	// open says that a transaction of our own is open, which holds the lock.
	lockTxOpen    bool
	lockTxStarted int64   // when it began, by the server's clock; see sinceEpoch
	savedTxState  txState // of a transaction

	// acting says that the session has the role that it is to act as.
	roleSet bool
	// marker is the number of the statement that runs, as the server reports it.
	marker atomic.Int64
	// at is where the run is, and watching who follows it; nil while nobody does.
	runPosition positionTracker
	watcher     *watcher
	backendPID  atomic.Int64 // Server.PID, for whoever watches
	// rollingBack keeps PostgreSQL's warning that there is nothing to roll back to itself.
	rollingBack atomic.Bool
}

// ServerInfo is what a session sees of its server.
type ServerInfo struct {
	Version  string // as in "15.18"
	Database string
	User     string
	PID      int // of the session's backend
	// Started tells one server process from another: a restarted one, or the one
	// that took over.
	Started string
	port    int // of the server's client, -1 on a Unix socket
	// Standby is a server that only replays another one's changes.
	Standby    bool
	plpgsql    bool
	versionNum int // of the version, as 150018
	// encoding is the database's, as "UTF8".
	encoding string
}

// tableName is the version table, resolved.
type tableName struct{ schema, name string }

func (t tableName) String() string { return t.schema + "." + t.name }
func (t tableName) quoted() string {
	return pq.QuoteIdentifier(t.schema) + "." + pq.QuoteIdentifier(t.name)
}

// ErrNoSchema says that there is no place for the version table.
var ErrNoSchema = errors.New("no schema of the search_path exists, so there is no place for the version table; create the schema, or name one with --table schema.table")

// ErrStandby says that the server cannot be written to.
var ErrStandby = errors.New("this server is a standby, which only follows its primary")

// ConnectError is a database that could not be reached, or would not let us in.
type ConnectError struct {
	Target   string // user@host:port/database
	Waited   time.Duration
	Attempts int
	Err      error
	// Limit is the setting that allowed no more attempts.
	Limit string
	// Permanent errors are those that waiting does not mend, such as a wrong password.
	Permanent bool
}

func (e *ConnectError) Error() string { return fmt.Sprintf("database %s: %v", e.Target, e.Err) }
func (e *ConnectError) Unwrap() error { return e.Err }

// LostError is a connection that broke while it was in use.
type LostError struct {
	Target string
	Err    error
	// Server is what the server wrote before it ended the session; nil where it wrote nothing.
	Server *pq.Error
}

func (e *LostError) Error() string {
	if e.Server != nil {
		return fmt.Sprintf("connection to database %s ended by the server: %s (%s)", e.Target, e.Server.Message, e.Server.Code)
	}
	return fmt.Sprintf("connection to database %s lost: %v", e.Target, e.Err)
}
func (e *LostError) Unwrap() error { return e.Err }

// sessionParams are startup parameters, so that RESET ALL restores them.
var sessionParams = map[string]string{"application_name": "shiplock"}

// Open waits for the database, opens a session and looks around. Errors are
// *ConnectError, ErrNoSchema, or the context's cause.
func Open(ctx context.Context, opts Options) (*DB, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if opts.Progress == nil {
		opts.Progress = progress.NewLog(opts.Log, progress.DefaultIntervals)
	}
	db := &DB{opts: opts, log: opts.Log}
	d := &dialer{}
	var err error
	if db.conn, err = db.connect(ctx, d); err == nil {
		err = db.verifyRole(ctx)
		if err == nil && (!opts.SkipTableCheck || db.table.schema == "") {
			err = db.CheckTables()
		}
		db.tableResolved = true
	}
	if err != nil {
		return nil, errors.Join(db.roleError(ctx, err), db.Close())
	}
	return db, nil
}

// Close ends the session, and with it the lock.
func (db *DB) Close() error {
	var err error
	if db.conn != nil {
		err = db.conn.Close()
	}
	if errors.Is(err, sql.ErrConnDone) {
		err = nil
	}
	return errors.Join(err, db.pool.Close())
}

// openPool makes ready to connect.
func (db *DB) openPool(d *dialer) {
	connector := db.opts.DSN.With(db.startParams()).Connector(d, attemptTimeout)
	db.pool = sql.OpenDB(pq.ConnectorWithNoticeHandler(errorConnector{connector, &db.words}, db.onNotice))
	db.pool.SetMaxIdleConns(0)
}

func (db *DB) readServerInfo(ctx context.Context) error {
	schema, name, _ := config.ParseTable(db.opts.Table)
	switch {
	case db.opts.resolvedTable != tableName{}:
		db.tableResolved = true
		schema, name = db.opts.resolvedTable.schema, db.opts.resolvedTable.name
	case db.tableResolved:
		schema, name = db.table.schema, db.table.name
	}
	var resolved sql.NullString
	var mayCreate bool
	var here, elsewhere sql.NullString
	err := db.queryRow(ctx, `
		SELECT current_setting('server_version'), current_setting('server_version_num')::int, current_database(), current_user,
			pg_backend_pid(), pg_catalog.pg_postmaster_start_time()::text, coalesce(pg_catalog.inet_client_port(), -1), pg_catalog.pg_is_in_recovery(),
			EXISTS (SELECT FROM pg_catalog.pg_language WHERE lanname = 'plpgsql' AND pg_catalog.has_language_privilege(oid, 'USAGE')), current_setting('server_encoding'),
			s.name,
			EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
				WHERE n.nspname = s.name AND c.relname = $2),
			EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
				WHERE n.nspname = s.name AND c.relname = $3),
			coalesce(pg_catalog.has_schema_privilege(n.oid, 'CREATE'), true),
			`+tableFactsSQL+`
		FROM (SELECT coalesce(nullif($1, ''), current_schema()::text) AS name) s
		LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = s.name`, schema, name, name+historySuffix, name+execSuffix).
		Scan(&db.Server.Version, &db.Server.versionNum, &db.Server.Database, &db.Server.User,
			&db.Server.PID, &db.Server.Started, &db.Server.port, &db.Server.Standby, &db.Server.plpgsql, &db.Server.encoding, &resolved, &db.versionTableExists, &db.historyExists, &mayCreate, &here, &elsewhere, &db.tables.rails, &db.tables.noSchema)
	if err != nil {
		return db.classifyError(ctx, err)
	}
	db.backendPID.Store(int64(db.Server.PID))
	if err := db.tables.read(here, elsewhere); err != nil {
		return err
	}
	db.table = tableName{schema: resolved.String, name: name}
	db.historyUnavailable = db.versionTableExists && !db.historyExists && !mayCreate
	return nil
}

// Table is the version table as "schema.table".
func (db *DB) Table() string { return db.table.String() }

// Target is where the session is, without its password.
func (db *DB) Target() string { return db.opts.DSN.String() }

// exec runs SQL on the session by the simple protocol: several statements are one round trip.
func (db *DB) exec(ctx context.Context, query string) error {
	return db.execDirect(ctx, db.roleSQL()+query)
}

// execDirect is exec for what may meet a transaction that has failed.
func (db *DB) execDirect(ctx context.Context, query string) error {
	defer db.cancelOnDone(ctx)()
	_, err := db.conn.ExecContext(ctx, query)
	return db.classifyError(ctx, err)
}

// lost gives errors of a broken connection, or of a context that ended, their
// own type; the server's errors pass unchanged.
func (db *DB) classifyError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var (
		conversion *ConversionError
		table      *TableError
	)
	if errors.As(err, &conversion) || errors.As(err, &table) {
		return err // made here, of what a sound connection has brought
	}
	var server *pq.Error
	if errors.As(err, &server) {
		redactRows(server)
		if !server.Fatal() {
			return err
		}
	}
	return &LostError{Target: db.Target(), Err: err, Server: db.words.Load()}
}
