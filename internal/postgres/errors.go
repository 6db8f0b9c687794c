package postgres

import (
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/servermessage"
)

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

// IsLostError reports whether the connection was lost.
func IsLostError(err error) bool {
	var lost *LostError
	return errors.As(err, &lost)
}

// ServerError returns the server's error, or nil for any other error.
func ServerError(err error) *pq.Error {
	var server *pq.Error
	var lost *LostError
	if errors.As(err, &lost) || !errors.As(err, &server) {
		return nil
	}
	return server
}

// ConversionError reports a value that cannot be converted. The connection is usable.
type ConversionError struct{ Err error }

func (e *ConversionError) Error() string { return e.Err.Error() }

func (e *ConversionError) Unwrap() error { return e.Err }

// redactRows removes the application's rows from an error: PostgreSQL shows all columns of a
// rejected row. A key, such as that of a duplicate, stays.
func redactRows(e *pq.Error) {
	switch e.Code {
	case pqerror.NotNullViolation, pqerror.CheckViolation, pqerror.WithCheckOptionViolation:
		if !servermessage.ShowsOnlyKey(e) {
			e.Detail = ""
		}
	}
	e.Where = servermessage.ContextWithoutRows(e)
}
