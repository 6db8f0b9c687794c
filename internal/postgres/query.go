package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/lib/pq"
)

// QueryRow runs a query that returns at most one row. Scan returns its errors.
func (db *Session) QueryRow(ctx context.Context, query string, args ...any) singleRow {
	rows, err := db.Query(ctx, query, args...)
	return singleRow{rows, err}
}

// Query runs a query. Its columns are text, which Scan converts.
func (db *Session) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	defer db.CancelOnDone(ctx)()
	return db.Conn.QueryContext(ctx, db.roleSQL()+InlineParams(query, args...))
}

// cancelGrace is how long the server may take to answer after a query's context has ended. Together
// with the cleanup it stays below the 5 s within which a run must stop.
const cancelGrace = 1500 * time.Millisecond

// CancelOnDone closes the connection if the server does not answer after ctx has ended. lib/pq asks
// the server to cancel the query and then waits without limit, also if the network is down. The
// returned function ends the supervision.
func (db *Session) CancelOnDone(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	unregister := context.AfterFunc(ctx, func() {
		select {
		case <-done:
		case <-time.After(cancelGrace):
			_ = db.netConn.SetDeadline(time.Unix(1, 0))
		}
	})
	return func() {
		unregister()
		close(done)
	}
}

// singleRow is the result of a query for one row. Unlike sql.Row, it distinguishes conversion
// errors from errors of the server or connection.
type singleRow struct {
	rows *sql.Rows
	err  error
}

// Scan copies the columns of the row, like sql.Row.Scan.
func (r singleRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return &ConversionError{err}
	}
	return r.rows.Close()
}

// ReadServerInfo reads the server's properties and the facts of the inspection. It returns an
// *UnsupportedServerError for a server that is too old or not PostgreSQL.
func (db *Session) ReadServerInfo(ctx context.Context) error {
	query := `
		SELECT current_setting('server_version'), current_setting('server_version_num')::int, current_database(), current_user,
			pg_backend_pid(), pg_catalog.pg_postmaster_start_time()::text, coalesce(pg_catalog.inet_client_port(), -1), pg_catalog.pg_is_in_recovery(),
			EXISTS (SELECT FROM pg_catalog.pg_language WHERE lanname = 'plpgsql' AND pg_catalog.has_language_privilege(oid, 'USAGE')), current_setting('server_encoding'), pg_catalog.version()`
	var version string
	info := &db.Server
	to := []any{&info.Version, &info.VersionNum, &info.Database, &info.User, &info.PID, &info.Started, &info.Port, &info.Standby, &info.Plpgsql, &info.Encoding, &version}
	if db.Opts.Inspection != nil {
		columns, from := db.Opts.Inspection.Query()
		query += ",\n\t\t\t" + columns + "\n\t\tFROM " + from
		to = append(to, db.Opts.Inspection.Destinations()...)
	}
	if err := db.QueryRow(ctx, query).Scan(to...); err != nil {
		return db.explainFirstQuery(ctx, db.ClassifyError(ctx, err))
	}
	if err := unsupportedServer(version, db.Opts.DSN.Address()); err != nil {
		return err
	}
	db.BackendPID.Store(int64(info.PID))
	if db.Opts.Inspection == nil {
		return nil
	}
	return db.Opts.Inspection.Finish()
}

// explainFirstQuery returns the reason not to use a server whose first query failed, if there is one, and otherwise the
// query's error: the catalogs of another product lack what the query reads.
func (db *Session) explainFirstQuery(ctx context.Context, err error) error {
	if ServerError(err) == nil {
		return err
	}
	defer db.CancelOnDone(ctx)()
	var version string
	if err := db.Conn.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		db.Log.Debug("could not read the server version", "error", err)
	}
	if unsupported := unsupportedServer(version, db.Opts.DSN.Address()); unsupported != nil {
		return unsupported
	}
	return err
}

// Exec runs SQL with the simple query protocol: several statements take one round trip.
func (db *Session) Exec(ctx context.Context, query string) error {
	defer db.CancelOnDone(ctx)()
	_, err := db.Conn.ExecContext(ctx, db.roleSQL()+query)
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
	defer db.CancelOnDone(ctx)()
	_, err := db.Conn.ExecContext(ctx, "ROLLBACK;\n"+then) // without the role: the transaction may have failed
	return db.ClassifyError(ctx, err)
}
