package diagnose

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/script"
)

// Limits of a diagnosis. Exceeding them is not an error.
const (
	diagnosisTimeout      = 2 * time.Second
	diagnosisQueryTimeout = time.Second // per query
)

// A diagnosis collects the cause of one failure. After its first error, its queries return no rows.
type diagnosis struct {
	session   *postgres.Session
	store     *history.Store
	ctx       context.Context
	following []executor.Migration // migrations that were to run after the failed one
	fail      *migrationerror.Error
	deadline  time.Time
	err       error
}

// query returns the rows of a query with all columns as text; NULL is "".
func (d *diagnosis) query(query string, args ...any) [][]string {
	if d.err == nil && time.Now().After(d.deadline) {
		d.err = errors.New("time limit exceeded")
	}
	if d.err != nil {
		return nil
	}
	rows, err := d.session.Query(d.ctx, query, args...)
	if err != nil {
		d.err = err
		return nil
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		d.err = err
		return nil
	}
	var out [][]string
	for rows.Next() {
		fields, pointers := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range fields {
			pointers[i] = &fields[i]
		}
		if d.err = rows.Scan(pointers...); d.err != nil {
			return nil
		}
		row := make([]string, len(fields))
		for i, f := range fields {
			row[i] = f.String
		}
		out = append(out, row)
	}
	d.err = rows.Err()
	return out
}

// queryRow returns the first row of a query, or nil.
func (d *diagnosis) queryRow(query string, args ...any) []string {
	if rows := d.query(query, args...); len(rows) > 0 {
		return rows[0]
	}
	return nil
}

func (d *diagnosis) failedStatement() script.Statement {
	st, _ := d.fail.Statement()
	return st
}
