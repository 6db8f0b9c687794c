package history

import (
	"context"
	"errors"
	"fmt"

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
