package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// RecordingError is a version table or a history table that could not be written, outside of
// a migration; of one, MigrationError.Record says so.
type RecordingError struct {
	Table string // the version table, schema.table
	Err   error
}

func (e *RecordingError) Error() string {
	return fmt.Sprintf("writing %s and its history: %v", e.Table, e.Err)
}
func (e *RecordingError) Unwrap() error { return e.Err }

// recordingNotice is what the server reports when a migration has ended, its deferred
// constraints are checked, and its version and history are about to be written: an error
// before it is the file's, and one after it is not.
const recordingNotice = "shiplock records"

func (db *DB) recordingMarkerSQL() string {
	if !db.Server.plpgsql {
		return ""
	}
	return "DO $shiplock$BEGIN RAISE INFO '" + recordingNotice + "'; END$shiplock$;\n"
}

// isRecord reports whether an error at the end of a migration is one of writing our
// tables. What only a commit can find, a serialization failure, is not.
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

// isCount reports whether an error is one of the count of statements that was sent behind
// file, the SQL of a migration: its place is behind the file.
func isStatementCountError(err error, file string) bool {
	var server *pq.Error
	if !errors.As(err, &server) || server.Code.Class() == pqerror.ClassTransactionRollback {
		return false
	}
	position, err := strconv.Atoi(server.Position)
	return err == nil && position > utf8.RuneCountInString(file)
}

// keep writes to our tables outside of a migration.
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

// execWithSequenceRepair is exec that tries a second time where repairSequence has helped.
func (db *DB) execWithSequenceRepair(ctx context.Context, sql string) error {
	err := db.exec(ctx, sql)
	if err != nil && db.repairSequence(ctx, err) {
		err = db.exec(ctx, sql)
	}
	return err
}

// repairSequence moves the history's identity sequence past its rows, where that is why a
// row could not be written: logical replication copies rows and not sequences. It reports
// whether the write can be tried again.
func (db *DB) repairSequence(ctx context.Context, err error) bool {
	server := pq.As(err, pqerror.UniqueViolation)
	if server == nil || server.Schema != db.table.schema || server.Table != db.table.name+historySuffix || db.lockTxOpen || ctx.Err() != nil {
		return false
	}
	if err := db.exec(ctx, db.sequenceRepairSQL()); err != nil {
		db.log.Debug("the history's sequence could not be set", "error", err)
		return false
	}
	db.log.Warn("the history's sequence was behind its rows, as logical replication leaves it, and was set", "table", db.table.name+historySuffix)
	return true
}

func (db *DB) sequenceRepairSQL() string {
	return fmt.Sprintf("SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence(%s, 'run_id'), (SELECT max(run_id) FROM %s));", pq.QuoteLiteral(db.historyTable()), db.historyTable())
}

// recordReason says what is known of a failure to write our tables, and what helps.
func (db *DB) recordingReason(err error) Reason {
	var server *pq.Error
	if !errors.As(err, &server) {
		return Reason{}
	}
	version, history, user := db.table.quoted(), db.historyTable(), pq.QuoteIdentifier(db.Server.User)
	why := func(fix, format string, args ...any) Reason {
		return Reason{Causes: []string{fmt.Sprintf(format, args...)}, Fix: fix}
	}
	const exclude = "take the statement out of the migration, or exclude Shiplock's tables from it"
	switch {
	case server.Routine == "ExecWithCheckOptions" && !db.versionTableExists:
		return why("exclude Shiplock's tables from the event trigger that forces row security on new tables",
			"row security on the new table rejects the row; an event trigger has enabled and forced it")
	case server.Routine == "ExecWithCheckOptions":
		return why(fmt.Sprintf("ALTER TABLE %s NO FORCE ROW LEVEL SECURITY; ALTER TABLE %s NO FORCE ROW LEVEL SECURITY;\nor take these tables out of the event trigger that enables it", version, history),
			"row security on the table rejects the row; an event trigger, or a migration, has enabled and forced it")
	case server.Code == pqerror.InvalidSchemaName:
		return why(fmt.Sprintf("CREATE SCHEMA %s;\nor let the first migration create it, in a transaction", pq.QuoteIdentifier(db.table.schema)), "the schema of the version table, %s, does not exist", db.table.schema)
	case server.Code == pqerror.UndefinedTable:
		return why(exclude+"; to keep the tables in a schema that no migration drops: --table shiplock."+db.table.name, "the migration drops, renames or moves %s or its history table", db.table)
	case server.Code == pqerror.UndefinedColumn, server.Code == pqerror.NotNullViolation, server.Code == pqerror.DatatypeMismatch, server.Code == pqerror.CheckViolation, server.Code == pqerror.WrongObjectType:
		return why(exclude, "the migration, or an earlier one, changes the columns of %s or its history table", db.table)
	case server.Code == pqerror.InsufficientPrivilege:
		return why(fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON %s, %s TO %s;\nand CREATE on the schema %s for the first migration", version, history, user, db.table.schema),
			"the role %s may not write or create %s or its history table; the migration may have changed their owner", db.Server.User, db.table)
	case server.Code == pqerror.UniqueViolation:
		return why(db.sequenceRepairSQL(), "the history's sequence is behind its rows, as logical replication leaves it")
	case server.Code == pqerror.UntranslatableCharacter:
		return why("use characters that the encoding holds in the names of the files and of the release", "the database's encoding, %s, cannot hold a character of the row", db.Server.encoding)
	case server.Code == pqerror.ReadOnlySQLTransaction:
		return why(fmt.Sprintf("ALTER ROLE %s SET default_transaction_read_only = off;\nor take SET TRANSACTION READ ONLY out of the migration", user), "the transaction is read-only, and the version has to be written in it")
	case server.Code == pqerror.DiskFull:
		return why("free space on the database server, or enlarge its volume", "there is no space for the row")
	}
	return why("find out what rejects the row: a trigger or rule on the table, or an event trigger; exclude Shiplock's tables from it", "writing %s or its history table failed, after every statement of the file had run", db.table)
}

// reachedOwn returns the table of ours that a migration's statement failed at, though the
// file does not name it: a loop over all tables found it in the catalogs. The server has
// a field for the table with some errors only; with the others it is in the query that a
// function ran, or in the message.
func (db *DB) reachedOwnTable(fail *MigrationError) string {
	server := fail.Server()
	if server == nil || fail.Outcome == Unknown || fail.DataLoss != nil {
		return ""
	}
	text := strings.Join([]string{server.InternalQuery, server.Where, server.Message}, "\n")
	for _, name := range []string{db.table.name + historySuffix, db.table.name + execSuffix, db.table.name} {
		own := server.Table == name && (server.Schema == "" || server.Schema == db.table.schema)
		if !own && !mentionsTable(text, name) {
			continue
		}
		if st, known := fail.Statement(); known && mentionsTable(st.Text, name) {
			return "" // on purpose
		}
		return name
	}
	return ""
}

// namesTable reports whether a text has a name as a word of its own.
func mentionsTable(text, name string) bool {
	return regexp.MustCompile(`(?:^|[^\w$])` + regexp.QuoteMeta(name) + `(?:$|[^\w$])`).MatchString(text)
}
