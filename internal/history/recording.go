package history

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// A RecordingError is a failure to write the version table or the history table outside of a
// migration. Within a migration, see migrationerror.Error.
type RecordingError struct {
	Table string // the version table, schema.table
	Err   error
}

func (e *RecordingError) Error() string {
	return fmt.Sprintf("could not write %s and its history table: %v", e.Table, e.Err)
}
func (e *RecordingError) Unwrap() error { return e.Err }

// Write writes to the version and history tables outside of a migration.
func (store *Store) Write(ctx context.Context, sql string) error {
	store.session.ProbeEncoding(ctx, store.session.TxOpen, sql)
	sql = store.session.ReplaceUnencodable(sql)
	err := store.ExecWithSequenceRepair(ctx, sql)
	var server *pq.Error
	if errors.As(err, &server) {
		return &RecordingError{Table: store.Table.String(), Err: err}
	}
	return err
}

// ExecWithSequenceRepair is exec with one retry if RepairSequence succeeds.
func (store *Store) ExecWithSequenceRepair(ctx context.Context, sql string) error {
	err := store.session.Exec(ctx, sql)
	if err != nil && store.RepairSequence(ctx, err) {
		err = store.session.Exec(ctx, sql)
	}
	return err
}

// RepairSequence sets the history table's identity sequence after its last row, if the sequence
// caused the error: logical replication copies rows and not sequences. It reports whether the
// write can be retried.
func (store *Store) RepairSequence(ctx context.Context, err error) bool {
	server := pq.As(err, pqerror.UniqueViolation)
	if server == nil || server.Schema != store.Table.Schema || server.Table != store.Table.Name+Suffix || store.session.TxOpen || ctx.Err() != nil {
		return false
	}
	if err := store.session.Exec(ctx, store.SequenceRepairSQL()); err != nil {
		store.log.Debug("could not set the history table's sequence", "error", err)
		return false
	}
	store.log.Warn("history sequence repaired: it was behind the rows of the table", "table", store.Table.Name+Suffix)
	return true
}

// SequenceRepairSQL returns the SQL that sets the history table's sequence after its last row.
func (store *Store) SequenceRepairSQL() string {
	return fmt.Sprintf("SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence(%s, 'run_id'), (SELECT max(run_id) FROM %s));", pq.QuoteLiteral(store.HistoryTable()), store.HistoryTable())
}

// Import records the migrations of another tool: up for those it applied, down for those it
// rolled back.
func (store *Store) Import(ctx context.Context, runs []Entry) error {
	for i := range runs {
		runs[i].Outcome, runs[i].Started = Imported, time.Now()
	}
	return store.record(ctx, runs, "")
}

// Baseline writes a version and the history rows of a baseline.
func (store *Store) Baseline(ctx context.Context, to State, runs []Entry) error {
	if err := store.record(ctx, runs, store.WriteVersionSQL(to)); err != nil {
		return err
	}
	store.VersionTableExists = true
	return nil
}

// record writes history rows, and then executes the SQL that writes a version.
func (store *Store) record(ctx context.Context, runs []Entry, versionSQL string) error {
	var sql strings.Builder
	if store.HistoryUnavailable {
		store.log.Warn("history table not created: no CREATE privilege on the version table's schema", "schema", store.Table.Schema, "role", store.session.Server.User)
	} else {
		sql.WriteString(store.CreateTableSQL())
		for _, r := range runs {
			sql.WriteString(store.rowSQL(r))
		}
	}
	if sql.WriteString(versionSQL); sql.Len() == 0 {
		return nil
	}
	if err := store.Write(ctx, sql.String()); err != nil {
		return err
	}
	store.HistoryExists = !store.HistoryUnavailable
	return nil
}

// SetVersion writes the version that the user specifies and records it in the history table.
func (store *Store) SetVersion(ctx context.Context, to State, r Entry) error {
	r.Started = time.Now()
	err := store.Write(ctx, store.InsertSQL(r)+store.WriteVersionSQL(to))
	if err == nil {
		store.VersionTableExists, store.HistoryExists = true, !store.HistoryUnavailable
	}
	return err
}
