package advice

import (
	"cmp"

	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/servermessage"
)

// bySQLState has a function for each SQLSTATE whose advice is more than to correct the file.
var bySQLState = map[pqerror.Code]func(failedStatement) Advice{
	pqerror.ActiveSQLTransaction:          outsideTransaction,
	pqerror.InvalidTransactionTermination: outsideTransaction,
	pqerror.UniqueViolation:               violatedConstraint,
	pqerror.CheckViolation:                violatedConstraint,
	pqerror.ForeignKeyViolation:           violatedConstraint,
	pqerror.NotNullViolation:              violatedConstraint,
	pqerror.ExclusionViolation:            violatedConstraint,
	pqerror.InsufficientPrivilege:         missingPrivilege,
	pqerror.UndefinedTable:                undefinedTable,
	pqerror.UndefinedObject:               undefinedObject,
	pqerror.InvalidSchemaName:             undefinedSchema,
	pqerror.UndefinedFile:                 undefinedFile,
	pqerror.DuplicateTable:                duplicateObject,
	pqerror.DuplicateColumn:               duplicateObject,
	pqerror.DuplicateObject:               duplicateObject,
	pqerror.DuplicateSchema:               duplicateObject,
	pqerror.DuplicateFunction:             duplicateObject,
	pqerror.DependentObjectsStillExist:    dependentObjects,
	pqerror.ObjectInUse:                   objectInUse,
	pqerror.DatatypeMismatch:              typeMismatch,
	pqerror.InvalidTextRepresentation:     unfitValue,
	pqerror.StringDataRightTruncation:     unfitValue,
	pqerror.NumericValueOutOfRange:        unfitValue,
	pqerror.RaiseException:                raisedException,
	pqerror.FeatureNotSupported:           unsupportedFeature,
	pqerror.UnsafeNewEnumValueUsage:       newEnumValue,
	pqerror.DiskFull:                      diskFull,
	pqerror.ConfigurationLimitExceeded:    temporaryFileLimit,
	pqerror.OutOfMemory:                   outOfMemory,
	pqerror.ReadOnlySQLTransaction:        readOnly,
	pqerror.QueryCanceled:                 canceled,
	pqerror.TRDeadlockDetected:            deadlock,
	pqerror.LockNotAvailable:              lockNotAvailable,
}

// Statement returns the next step after a statement's error, followed by then.
func Statement(e *migrationerror.Error, then string) Advice {
	server := e.Server()
	if advise := bySQLState[server.Code]; advise != nil {
		return advise(failedStatement{e, server, then})
	}
	return Advice{}
}

func outsideTransaction(s failedStatement) Advice {
	if s.Script != nil && s.Script.Autocommit { // it is already sent on its own
		return s.edit("move the statement out of BEGIN and COMMIT, the function or the DO block in %s: it cannot run inside a transaction", s.File)
	}
	return Advice{Text: "add the line `-- shiplock:no-transaction` at the top of " + s.File + ": this statement cannot run inside a transaction", EditsFile: true}
}

func violatedConstraint(s failedStatement) Advice {
	a := rows(s)
	if s.Reason.Query != "" {
		a.Text += "\nto list the rows: " + s.Reason.Query
	}
	return a
}

func rows(s failedStatement) Advice {
	code := s.server.Code
	switch {
	case !s.changesExistingRows() && code == pqerror.UniqueViolation:
		return s.edit("remove the row that already exists from the INSERT in %s, or add ON CONFLICT", s.File)
	case !s.changesExistingRows() && code == pqerror.NotNullViolation:
		return s.edit("set a value for %s in the statement in %s", s.server.Column, s.File)
	case !s.changesExistingRows():
		return s.edit("correct the values that the statement in %s writes", s.File)
	case code == pqerror.NotNullViolation && s.Reason.Cause == migrationerror.NewColumnNotNull:
		return s.step("give the new column a DEFAULT, or add it without NOT NULL, fill it with an UPDATE, then SET NOT NULL")
	case code == pqerror.NotNullViolation:
		return s.edit("set a value for %s in these rows, with an UPDATE above the statement in %s or manually", s.server.Column, s.File)
	case s.Outcome == migrationerror.PartiallyApplied:
		return s.edit("correct the rows manually, or with a statement directly above this one in %s (earlier statements are applied and must stay)", s.File)
	}
	return s.edit("correct the rows, with statements above this one in %s or manually", s.File)
}

func missingPrivilege(s failedStatement) Advice {
	r := s.Reason
	switch {
	case r.Cause == migrationerror.ExtensionDenied: // the statement would find the superuser's extension
		return Advice{Text: "run as " + r.FixRole + ": " + r.Fix + "\nadd IF NOT EXISTS in " + s.File + "; " + s.then, EditsFile: true, HasThen: true}
	case r.Fix != "":
		return Advice{Text: "run as " + cmp.Or(r.FixRole, "a superuser") + ": " + r.Fix + "\n" + s.then + "; the file needs no change", HasThen: true}
	}
	return Advice{Text: "grant the missing privilege to the role that runs the migrations, as the owner of the object or a superuser", deployAgain: true}
}

func undefinedTable(s failedStatement) Advice {
	switch r := s.Reason; {
	case r.LaterFile != "":
		return s.edit("rename %s and its down file to a version above that of %s, or move the statement into %s", s.File, r.LaterFile, r.LaterFile)
	case r.Fix != "":
		return s.edit("change the name to %s in %s", r.Fix, s.File)
	}
	return s.edit("correct the name in %s, or add a migration with a lower version that creates it", s.File)
}

func undefinedObject(s failedStatement) Advice {
	if servermessage.IsRoleMissing(s.server) {
		return s.edit("run as an administrator: CREATE ROLE%s NOLOGIN; or correct the name in %s", s.name(), s.File)
	}
	return s.edit("create the missing object first, or correct the name in %s", s.File)
}

func undefinedSchema(s failedStatement) Advice {
	return s.edit("add CREATE SCHEMA IF NOT EXISTS%s; above the statement, or correct the name in %s", s.name(), s.File)
}

func undefinedFile(s failedStatement) Advice {
	if s.server.Routine == "parse_extension_control_file" { // PostgreSQL 14
		return installExtension
	}
	return Advice{}
}

var installExtension = Advice{Text: "install the extension's package on the database server (managed services list the extensions they allow), and deploy again; the file needs no change"}

func duplicateObject(s failedStatement) Advice {
	switch {
	case s.Reason.External:
		return s.edit("add IF NOT EXISTS in %s if the existing object is the one that the statement creates; otherwise rename or drop the existing object", s.File)
	case s.server.Code == pqerror.DuplicateColumn:
		return s.edit("remove this column from the statement in %s, or rename it", s.File)
	}
	return s.edit("remove the statement from %s, or rename the object that it creates", s.File)
}

func dependentObjects(s failedStatement) Advice {
	return s.edit("drop or change the dependent objects (listed above) earlier in %s; CASCADE drops all of them, including unlisted ones", s.File)
}

func objectInUse(s failedStatement) Advice {
	return s.step("close the cursor or query that uses the object, or move the statement to a separate migration")
}

func typeMismatch(s failedStatement) Advice {
	if using := servermessage.SuggestedUsing(s.server); using != "" {
		return s.edit("add `%s` to the statement in %s, if every value can be converted", using, s.File)
	}
	return Advice{}
}

func unfitValue(s failedStatement) Advice {
	if !s.changesExistingRows() {
		return Advice{}
	}
	return s.edit("correct the values that do not fit with an UPDATE above the statement in %s, or choose a type that accepts them", s.File)
}

func raisedException(s failedStatement) Advice {
	return s.edit("the migration raised an exception: resolve the reported condition, or change the check in %s", s.File)
}

// unsupportedFeature returns the advice for two of the many causes of SQLSTATE 0A000.
func unsupportedFeature(s failedStatement) Advice {
	switch {
	case servermessage.IsColumnOfView(s.server):
		return s.edit("drop the view above the statement in %s, and create it again below", s.File)
	case servermessage.IsExtensionUnavailable(s.server):
		return installExtension
	}
	return Advice{}
}

func newEnumValue(s failedStatement) Advice {
	return s.edit("move the statements that use the new value from %s to a separate migration with a higher version", s.File)
}

func diskFull(failedStatement) Advice {
	return Advice{Text: "free space on the database server or enlarge its volume, and deploy again; the file needs no change"}
}

func temporaryFileLimit(failedStatement) Advice {
	return Advice{Text: "raise temp_file_limit (or work_mem, so that less spills to disk) for the role that runs the migrations, as a superuser, and deploy again; or change the statement to sort less data at a time"}
}

func outOfMemory(s failedStatement) Advice {
	if setting := servermessage.ExhaustedLockTable(s.server); setting != "" {
		return s.step("raise " + setting + " and restart the database server (on a managed service, set the parameter), or change the migration to use fewer tables and partitions in one transaction")
	}
	return Advice{Text: "add memory to the database server or lower work_mem", deployAgain: true}
}

func readOnly(s failedStatement) Advice {
	if s.Reason.Fix != "" {
		return Advice{Text: "make the database writable again: " + s.Reason.Fix + "\nthen deploy again; the file needs no change"}
	}
	return Advice{Text: "connect to a server that accepts writes (target_session_attrs=read-write selects the primary)", deployAgain: true}
}

func canceled(s failedStatement) Advice {
	switch {
	case !servermessage.IsStatementTimeout(s.server):
		return Advice{Text: "find the cause of the cancellation (the server log has its time), and deploy again; the file needs no change"}
	case s.Reason.Cause == migrationerror.TimeoutOption:
		return Advice{Text: "raise --statement-timeout (SHIPLOCK_STATEMENT_TIMEOUT; in the chart: extraEnv), or change the statement to do less at a time", deployAgain: true}
	case s.Reason.Cause == migrationerror.TimeoutInFile:
		return Advice{Text: "raise or remove " + s.Reason.Setting + " in " + s.File + ", or change the statement to do less at a time", EditsFile: true, deployAgain: true}
	case s.Reason.Fix != "":
		return Advice{Text: "raise the limit with --statement-timeout, which overrides the server's setting (or: " + s.Reason.Fix + ")", deployAgain: true}
	}
	return Advice{Text: "raise --statement-timeout, or change the statement to do less at a time", deployAgain: true}
}

func deadlock(s failedStatement) Advice {
	return Advice{Text: "deploy again: the migration most likely succeeds; if the deadlock recurs, acquire the locks first in " + s.File + ", in the order in which the application acquires them (LOCK TABLE)", EditsFile: true}
}

func lockNotAvailable(s failedStatement) Advice {
	if s.server.Routine == "exec_stmt_raise" {
		return raisedException(s)
	}
	return Advice{Text: "wait for the blocking session to finish, or terminate it: SELECT pg_terminate_backend(PID); then deploy again"}
}
