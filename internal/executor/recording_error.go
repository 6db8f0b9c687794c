package executor

import (
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/history"
)

// recordingNotice is the message that the server sends after the statements and the deferred
// constraints of a migration, and before its version and history are written. The migration
// file causes the errors before it, and not those after it.
const recordingNotice = "shiplock records"

// recordingMarkerSQL returns the SQL that sends recordingNotice.
func (ex *Executor) recordingMarkerSQL() string {
	if !ex.session.Server.Plpgsql {
		return ""
	}
	return "DO $shiplock$BEGIN RAISE INFO '" + recordingNotice + "'; END$shiplock$;\n"
}

// isRecordingError reports whether an error at the end of a migration comes from the version
// or history table. A serialization failure, which the commit detects, does not.
func (ex *Executor) isRecordingError(err error) bool {
	var server *pq.Error
	if !errors.As(err, &server) || server.Code.Class() == pqerror.ClassTransactionRollback {
		return false
	}
	if !ex.session.Server.Plpgsql {
		return server.Schema == ex.store.Table.Schema && (server.Table == ex.store.Table.Name || server.Table == ex.store.Table.Name+history.Suffix)
	}
	return ex.recordingStarted.Load()
}

// isStatementCountError reports whether an error comes from the statement count that was sent
// after file, the SQL of a migration: the position of the error is after the end of the file.
func isStatementCountError(err error, file string) bool {
	var server *pq.Error
	if !errors.As(err, &server) || server.Code.Class() == pqerror.ClassTransactionRollback {
		return false
	}
	position, err := strconv.Atoi(server.Position)
	return err == nil && position > utf8.RuneCountInString(file)
}
