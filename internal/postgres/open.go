package postgres

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/postgres/wire"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/servermessage"
)

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
	d := &wire.Dialer{}
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

// verifyRole switches to SET ROLE if a pooler has ignored the parameter.
func (db *Session) verifyRole(ctx context.Context) error {
	if db.Opts.Role == "" || db.Server.User == db.Opts.Role || db.Opts.roleBySQL {
		return nil
	}
	db.Opts.roleBySQL, db.roleSet = true, false
	return db.ReadServerInfo(ctx)
}

// PersistRole sets the role for the session once it is known whether it is shared.
func (db *Session) PersistRole(ctx context.Context) error {
	switch {
	case db.Opts.Role == "":
	case db.Shared:
		db.roleSet = false
	case db.Opts.roleBySQL:
		if err := db.Exec(ctx, db.setRoleSQL("")); err != nil {
			return err
		}
		db.roleSet = true
	}
	return nil
}

// roleError converts the server's error about the role to a RoleError.
func (db *Session) roleError(ctx context.Context, err error) error {
	refusal := pq.As(err, pqerror.InvalidParameterValue, pqerror.InsufficientPrivilege, pqerror.UndefinedObject)
	if db.Opts.Role == "" || refusal == nil || !servermessage.IsRoleRefused(refusal, db.Opts.Role) {
		return err
	}
	fail := &RoleError{Role: db.Opts.Role, User: db.Opts.DSN.User(), Missing: refusal.Code != pqerror.InsufficientPrivilege, Err: refusal}
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

// hasSetOption reports whether the server's memberships have a SET option. It connects without the
// role.
func (db *Session) hasSetOption(ctx context.Context) bool {
	short, cancel := context.WithTimeout(ctx, CleanupTimeout)
	defer cancel()
	has := false
	opts := db.Opts
	opts.Role, opts.WaitForDB, opts.Inspection = "", 0, nil
	alone, err := Open(short, opts)
	if err == nil {
		has = alone.Server.VersionNum >= 160000
		err = alone.Close()
	}
	if err != nil {
		db.Log.Debug("could not read the server version", "error", err)
	}
	return has
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
