package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// A RecordingError is a failure to write the version table or the history table outside of a
// migration. Within a migration, see MigrationError.RecordingFailed.
type RecordingError struct {
	Table string // the version table, schema.table
	Err   error
}

func (e *RecordingError) Error() string {
	return fmt.Sprintf("could not write %s and its history table: %v", e.Table, e.Err)
}
func (e *RecordingError) Unwrap() error { return e.Err }

// recordingNotice is the message that the server sends after the statements and the deferred
// constraints of a migration, and before its version and history are written. The migration
// file causes the errors before it, and not those after it.
const recordingNotice = "shiplock records"

// recordingMarkerSQL returns the SQL that sends recordingNotice.
func (db *DB) recordingMarkerSQL() string {
	if !db.Server.plpgsql {
		return ""
	}
	return "DO $shiplock$BEGIN RAISE INFO '" + recordingNotice + "'; END$shiplock$;\n"
}

// isRecordingError reports whether an error at the end of a migration comes from the version
// or history table. A serialization failure, which the commit detects, does not.
func (db *DB) isRecordingError(err error) bool {
	var server *pq.Error
	if !errors.As(err, &server) || server.Code.Class() == pqerror.ClassTransactionRollback {
		return false
	}
	if !db.Server.plpgsql {
		return server.Schema == db.table.schema && (server.Table == db.table.name || server.Table == db.table.name+historySuffix)
	}
	return db.recordingStarted.Load()
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

// writeHistory writes to the version and history tables outside of a migration.
func (db *DB) writeHistory(ctx context.Context, sql string) error {
	db.probeEncoding(ctx, db.lockTxOpen, sql)
	sql = db.replaceUnencodable(sql)
	err := db.execWithSequenceRepair(ctx, sql)
	var server *pq.Error
	if errors.As(err, &server) {
		return &RecordingError{Table: db.Table(), Err: err}
	}
	return err
}

// execWithSequenceRepair is exec with one retry if repairSequence succeeds.
func (db *DB) execWithSequenceRepair(ctx context.Context, sql string) error {
	err := db.exec(ctx, sql)
	if err != nil && db.repairSequence(ctx, err) {
		err = db.exec(ctx, sql)
	}
	return err
}

// repairSequence sets the history table's identity sequence after its last row, if the sequence
// caused the error: logical replication copies rows and not sequences. It reports whether the
// write can be retried.
func (db *DB) repairSequence(ctx context.Context, err error) bool {
	server := pq.As(err, pqerror.UniqueViolation)
	if server == nil || server.Schema != db.table.schema || server.Table != db.table.name+historySuffix || db.lockTxOpen || ctx.Err() != nil {
		return false
	}
	if err := db.exec(ctx, db.sequenceRepairSQL()); err != nil {
		db.log.Debug("could not set the history table's sequence", "error", err)
		return false
	}
	db.log.Warn("history sequence repaired: it was behind the rows of the table", "table", db.table.name+historySuffix)
	return true
}

// sequenceRepairSQL returns the SQL that sets the history table's sequence after its last row.
func (db *DB) sequenceRepairSQL() string {
	return fmt.Sprintf("SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence(%s, 'run_id'), (SELECT max(run_id) FROM %s));", pq.QuoteLiteral(db.historyTable()), db.historyTable())
}

// recordingReason returns the cause of a failure to write the version or history table, and
// the fix.
func (db *DB) recordingReason(err error) Reason {
	var server *pq.Error
	if !errors.As(err, &server) {
		return Reason{}
	}
	version, history, user := db.table.quoted(), db.historyTable(), pq.QuoteIdentifier(db.Server.User)
	why := func(fix, format string, args ...any) Reason {
		return Reason{Causes: []string{fmt.Sprintf(format, args...)}, Fix: fix}
	}
	const exclude = "remove the statement from the migration, or exclude Shiplock's tables from it"
	switch {
	case server.Routine == "ExecWithCheckOptions" && !db.versionTableExists:
		return why("exclude Shiplock's tables from the event trigger that forces row security on new tables",
			"row security on the new table rejects the row; an event trigger enabled and forced it")
	case server.Routine == "ExecWithCheckOptions":
		return why(fmt.Sprintf("run: ALTER TABLE %s NO FORCE ROW LEVEL SECURITY; ALTER TABLE %s NO FORCE ROW LEVEL SECURITY;\nor exclude these tables from the event trigger that enables it", version, history),
			"row security on the table rejects the row; an event trigger or a migration enabled and forced it")
	case server.Code == pqerror.InvalidSchemaName:
		return why(fmt.Sprintf("run: CREATE SCHEMA %s;\nor create it in the first migration, in a transaction", pq.QuoteIdentifier(db.table.schema)), "the schema of the version table, %s, does not exist", db.table.schema)
	case server.Code == pqerror.UndefinedTable:
		dropped := why(exclude, "the migration drops, renames or moves %s or its history table", db.table)
		dropped.Cause = VersionTableDropped
		return dropped
	case server.Code == pqerror.UndefinedColumn, server.Code == pqerror.NotNullViolation, server.Code == pqerror.DatatypeMismatch, server.Code == pqerror.CheckViolation, server.Code == pqerror.WrongObjectType:
		return why(exclude, "the migration or an earlier one changes the columns of %s or its history table", db.table)
	case server.Code == pqerror.InsufficientPrivilege:
		return why(fmt.Sprintf("run: GRANT SELECT, INSERT, UPDATE, DELETE ON %s, %s TO %s;\nthe first migration also requires CREATE on schema %s", version, history, user, db.table.schema),
			"permission denied for role %s to write or create %s or its history table; the migration may have changed their owner", db.Server.User, db.table)
	case server.Code == pqerror.UniqueViolation:
		return why("run: "+db.sequenceRepairSQL(), "the history table's sequence is behind its rows, which happens after logical replication")
	case server.Code == pqerror.UntranslatableCharacter:
		return why("use only characters of this encoding in the names of the files and of the release", "the row has a character that the database encoding %s cannot represent", db.Server.encoding)
	case server.Code == pqerror.ReadOnlySQLTransaction:
		return why(fmt.Sprintf("run: ALTER ROLE %s SET default_transaction_read_only = off;\nor remove SET TRANSACTION READ ONLY from the migration", user), "the transaction is read-only, but it must write the version")
	case server.Code == pqerror.DiskFull:
		return why("free disk space on the database server, or enlarge its volume", "the disk of the database server is full")
	}
	return why("find the trigger or rule on the table, or the event trigger, that rejects the row, and exclude Shiplock's tables from it", "all statements of the file ran, but %s or its history table could not be written", db.table)
}

// reachedOwnTable returns the version, history or exec history table that caused a statement to
// fail although the file does not name it: a loop over all tables found it in the catalogs. Only
// some errors have a field for the table; otherwise it is in the query that a function ran, or in
// the message.
func (db *DB) reachedOwnTable(fail *MigrationError) string {
	server := fail.Server()
	if server == nil || fail.Outcome == Unknown || fail.DataLoss != nil {
		return ""
	}
	for _, name := range []string{db.table.name + historySuffix, db.table.name + execSuffix, db.table.name} {
		own := server.Table == name && (server.Schema == "" || server.Schema == db.table.schema)
		if !own && !errorMentions(server, name) {
			continue
		}
		if st, known := fail.Statement(); known && mentionsTable(st.Text, name) {
			return "" // the file names it
		}
		return name
	}
	return ""
}
