package diagnose

import (
	"errors"
	"fmt"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/servermessage"
)

// recordingReason returns the cause of a failure to write the version or history table, and
// the fix.
func recordingReason(store *history.Store, err error) migrationerror.Reason {
	var server *pq.Error
	if !errors.As(err, &server) {
		return migrationerror.Reason{}
	}
	versionTable, historyTable, user := store.Table.Quoted(), store.HistoryTable(), pq.QuoteIdentifier(store.Session().Server.User)
	why := func(fix, format string, args ...any) migrationerror.Reason {
		return migrationerror.Reason{Causes: []string{fmt.Sprintf(format, args...)}, Fix: fix}
	}
	const exclude = "remove the statement from the migration, or exclude Shiplock's tables from it"
	switch {
	case server.Routine == "ExecWithCheckOptions" && !store.VersionTableExists:
		return why("exclude Shiplock's tables from the event trigger that forces row security on new tables",
			"row security on the new table rejects the row; an event trigger enabled and forced it")
	case server.Routine == "ExecWithCheckOptions":
		return why(fmt.Sprintf("run: ALTER TABLE %s NO FORCE ROW LEVEL SECURITY; ALTER TABLE %s NO FORCE ROW LEVEL SECURITY;\nor exclude these tables from the event trigger that enables it", versionTable, historyTable),
			"row security on the table rejects the row; an event trigger or a migration enabled and forced it")
	case server.Code == pqerror.InvalidSchemaName:
		return why(fmt.Sprintf("run: CREATE SCHEMA %s;\nor create it in the first migration, in a transaction", pq.QuoteIdentifier(store.Table.Schema)), "the schema of the version table, %s, does not exist", store.Table.Schema)
	case server.Code == pqerror.UndefinedTable:
		dropped := why(exclude, "the migration drops, renames or moves %s or its history table", store.Table)
		dropped.Cause = migrationerror.VersionTableDropped
		return dropped
	case server.Code == pqerror.UndefinedColumn, server.Code == pqerror.NotNullViolation, server.Code == pqerror.DatatypeMismatch, server.Code == pqerror.CheckViolation, server.Code == pqerror.WrongObjectType:
		return why(exclude, "the migration or an earlier one changes the columns of %s or its history table", store.Table)
	case server.Code == pqerror.InsufficientPrivilege:
		return why(fmt.Sprintf("run: GRANT SELECT, INSERT, UPDATE, DELETE ON %s, %s TO %s;\nthe first migration also requires CREATE on schema %s", versionTable, historyTable, user, store.Table.Schema),
			"permission denied for role %s to write or create %s or its history table; the migration may have changed their owner", store.Session().Server.User, store.Table)
	case server.Code == pqerror.UniqueViolation:
		return why("run: "+store.SequenceRepairSQL(), "the history table's sequence is behind its rows, which happens after logical replication")
	case server.Code == pqerror.UntranslatableCharacter:
		return why("use only characters of this encoding in the names of the files and of the release", "the row has a character that the database encoding %s cannot represent", store.Session().Server.Encoding)
	case server.Code == pqerror.ReadOnlySQLTransaction:
		return why(fmt.Sprintf("run: ALTER ROLE %s SET default_transaction_read_only = off;\nor remove SET TRANSACTION READ ONLY from the migration", user), "the transaction is read-only, but it must write the version")
	case server.Code == pqerror.DiskFull:
		return why("free disk space on the database server, or enlarge its volume", "the disk of the database server is full")
	}
	return why("find the trigger or rule on the table, or the event trigger, that rejects the row, and exclude Shiplock's tables from it", "all statements of the file ran, but %s or its history table could not be written", store.Table)
}

// reachedOwnTable returns the version, history or exec history table that caused a statement to
// fail although the file does not name it: a loop over all tables found it in the catalogs. Only
// some errors have a field for the table; otherwise it is in the query that a function ran, or in
// the message.
func reachedOwnTable(store *history.Store, fail *migrationerror.Error) string {
	server := fail.Server()
	if server == nil || fail.Outcome == migrationerror.Unknown || fail.DataLoss != nil {
		return ""
	}
	for _, name := range []string{store.Table.Name + history.Suffix, store.Table.Name + history.ExternalToolSuffix, store.Table.Name} {
		own := server.Table == name && (server.Schema == "" || server.Schema == store.Table.Schema)
		if !own && !servermessage.Mentions(server, name) {
			continue
		}
		if st, known := fail.Statement(); known && servermessage.ContainsName(st.Text, name) {
			return "" // the file names it
		}
		return name
	}
	return ""
}
