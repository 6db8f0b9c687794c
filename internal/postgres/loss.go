package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"
)

// Loss is data that a step down would take away.
type Loss struct {
	Step int    `json:"-"` // index of it
	File string `json:"file"`
	Line int    `json:"line"`
	How  string `json:"how"` // "DROP TABLE", "DROP COLUMN", "DELETE" …
	// Table is schema.table, and Column one of it that goes alone.
	Table  string `json:"table,omitempty"`
	Column string `json:"column,omitempty"`
	// Rows is how many go, or how many hold a value in Column; the count ends with
	// countedUpTo, and then AtLeast is set.
	Rows    int  `json:"rows"`
	AtLeast bool `json:"at_least,omitempty"`
	// Unknown is why they could not be counted.
	Unknown string `json:"unknown,omitempty"`
}

// What bounds the count of what a down would take.
const (
	countedUpTo = 1000
	countTime   = 5 * time.Second
)

func (l Loss) String() string {
	what := "of table " + l.Table
	switch {
	case l.Table == "":
		return fmt.Sprintf("%s (%s:%d): not known: %s", l.How, l.File, l.Line, l.Unknown)
	case l.Column != "":
		what = fmt.Sprintf("with a value in column %s.%s", l.Table, l.Column)
	}
	rows := fmt.Sprintf("%d rows", l.Rows)
	switch {
	case l.Unknown != "":
		rows = "rows that could not be counted"
		what += " (" + l.Unknown + ")"
	case l.AtLeast:
		rows = "at least " + rows
	case l.Rows == 1:
		rows = "1 row"
	}
	return fmt.Sprintf("%s %s (%s, %s:%d)", rows, what, l.How, l.File, l.Line)
}

// Losses says what steps down would take away, as the data is now: by the parser
// which tables, columns and rows, and by a bounded count whether there are any. It
// changes nothing, and uses a session of its own.
func (db *DB) Losses(ctx context.Context, steps []Step) ([]Loss, error) {
	l, found := newLedger(), []takes{}
	var at []int // indexes of the steps
	for i, s := range steps {
		if s.Direction != "down" {
			continue
		}
		err := reading(s.File, s.Open, func(from io.Reader) error { return l.read(from, s.Done) })
		if err != nil {
			return nil, err
		}
		for range len(l.out) - len(found) {
			at = append(at, i)
		}
		found = l.out
	}
	if len(found) == 0 {
		return nil, nil
	}
	var out []Loss
	count := func(db *DB) (err error) {
		out, err = db.countAll(ctx, found)
		return err
	}
	var err error
	if db.open { // behind a pooler, in the transaction that holds the lock
		err = db.afresh(ctx, count)
	} else {
		err = count(db)
	}
	for i, loss := range out {
		step := at[loss.Step]
		out[i].Step, out[i].File, out[i].Line = step, steps[step].File, found[loss.Step].line
	}
	return out, err
}

// countAll finds what takes stand for and counts it, all of one search_path at
// once: three round trips. Step is the index in found. What holds nothing is left out.
func (db *DB) countAll(ctx context.Context, found []takes) ([]Loss, error) {
	var out []Loss
	for from := 0; from < len(found); {
		to := from + 1
		for to < len(found) && found[to].path == found[from].path {
			to++
		}
		losses, err := db.countSome(ctx, found, from, to)
		if err != nil {
			return nil, err
		}
		out, from = append(out, losses...), to
	}
	return slices.DeleteFunc(out, func(l Loss) bool { return l.Rows == 0 && l.Unknown == "" }), nil
}

func (db *DB) countSome(ctx context.Context, found []takes, from, to int) ([]Loss, error) {
	targets, err := db.targets(ctx, found, from, to)
	begun := err == nil
	if begun {
		err = db.countRows(ctx, "", found, targets, false)
	}
	err = errors.Join(err, db.rollback(ctx, ""))
	if !begun || serverError(err) == nil {
		return targets, err
	}
	for i := range targets { // one that cannot be counted must not hide the others
		if err := db.countOne(ctx, found, targets[i:i+1]); err != nil {
			return nil, err
		}
	}
	return targets, nil
}

// countOne counts a loss by itself. Of a DELETE whose condition cannot be asked
// yet it asks whether there is any row at all.
func (db *DB) countOne(ctx context.Context, found []takes, one []Loss) error {
	loss, t := &one[0], found[one[0].Step]
	count := func(all bool) error {
		err := db.countRows(ctx, readOnly(t.path), found, one, all)
		return errors.Join(err, db.rollback(ctx, ""))
	}
	err := count(false)
	server := serverError(err)
	if server == nil {
		return err
	}
	if t.where != "" {
		if err := count(true); serverError(err) == nil && (err != nil || loss.Rows == 0) {
			return err
		}
	}
	loss.Rows, loss.AtLeast, loss.Unknown = 0, false, server.Message
	return nil
}

// serverError is what the server said, or nil where it was something else.
func serverError(err error) *pq.Error {
	var server *pq.Error
	var lost *LostError
	if errors.As(err, &lost) || !errors.As(err, &server) {
		return nil
	}
	return server
}

// readOnly begins a transaction that changes nothing, and in which nobody's rows
// are hidden by a policy without a word.
func readOnly(path string) string {
	limit := countTime.Milliseconds()
	return fmt.Sprintf("BEGIN READ ONLY;\nSET LOCAL row_security = off;\nSET LOCAL lock_timeout = %d;\nSET LOCAL statement_timeout = %d;\n%s", limit, limit, path)
}

// fullName is that of table c.
const fullName = `(SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_namespace n WHERE n.oid = c.relnamespace)`

// targetQuery finds the tables, or columns, that a name stands for. What does not
// exist is none, nor is what holds no data of its own: a view, a generated column.
var targetQuery = map[expansion]string{
	"": `SELECT ` + fullName + `, '' FROM pg_catalog.pg_class c WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'p') AND $2 = ''
		UNION ALL SELECT ` + fullName + `, pg_catalog.quote_ident(attname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON attrelid = c.oid
		WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'p') AND attname = $2 AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`,
	tablesOfSchema: `SELECT ` + fullName + `, '' FROM pg_catalog.pg_class c
		WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p') AND NOT relispartition AND $2 = '' ORDER BY 1`,
	columnsOfType: `SELECT ` + fullName + `, pg_catalog.quote_ident(attname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON attrelid = c.oid
		JOIN pg_catalog.pg_type t ON t.oid = atttypid
		WHERE to_regtype($1) IN (t.oid, t.typelem, t.typbasetype) AND relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0 AND NOT attisdropped AND $2 = '' ORDER BY 1, 2`,
	columnsOfPackage: `SELECT ` + fullName + `, pg_catalog.quote_ident(attname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON attrelid = c.oid
		JOIN pg_catalog.pg_type t ON t.oid = atttypid JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_type'::regclass AND d.objid IN (t.oid, t.typelem, t.typbasetype)
			AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::regclass
		JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND pg_catalog.quote_ident(e.extname) = pg_catalog.quote_ident(trim('"' FROM $1))
		WHERE relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0 AND NOT attisdropped AND $2 = ''
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = c.oid AND deptype = 'e') ORDER BY 1, 2`,
	tablesReferring: `WITH RECURSIVE r(oid) AS (SELECT to_regclass($1)::oid UNION SELECT conrelid FROM r JOIN pg_catalog.pg_constraint k ON confrelid = r.oid AND contype = 'f')
		SELECT ` + fullName + `, '' FROM r JOIN pg_catalog.pg_class c USING (oid) WHERE c.oid <> to_regclass($1) AND $2 = '' ORDER BY 1`,
}

// targets are the tables and columns of some takes, by their full names. It leaves
// a transaction open.
func (db *DB) targets(ctx context.Context, found []takes, from, to int) ([]Loss, error) {
	var out []Loss
	var queries []string
	for i, t := range found[from:to] {
		if t.opaque != "" {
			out = append(out, Loss{Step: from + i, How: t.how, Unknown: t.opaque})
			continue
		}
		queries = append(queries, fmt.Sprintf("SELECT %d, q.* FROM (%s) q", from+i, inline(targetQuery[t.expand], t.table, t.column)))
	}
	if len(queries) == 0 {
		return out, db.exec(ctx, readOnly(""))
	}
	rows, err := db.rows(ctx, readOnly(found[from].path)+strings.Join(queries, "\nUNION ALL "))
	if err != nil {
		return nil, db.lost(ctx, err)
	}
	for rows.Next() {
		var loss Loss
		if err := rows.Scan(&loss.Step, &loss.Table, &loss.Column); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		loss.How = found[loss.Step].how
		out = append(out, loss)
	}
	slices.SortStableFunc(out, func(a, b Loss) int { return a.Step - b.Step })
	return out, db.lost(ctx, errors.Join(rows.Err(), rows.Close()))
}

// countRows fills in how many rows the losses are about; with all it does not look
// at a DELETE's condition. begin is SQL before it.
func (db *DB) countRows(ctx context.Context, begin string, found []takes, losses []Loss, all bool) error {
	var queries []string
	for i, l := range losses {
		if l.Table == "" {
			continue
		}
		from := "SELECT FROM " + l.Table
		switch where := found[l.Step].where; {
		case where != "" && !all:
			from = where
		case l.Column != "":
			from += " WHERE " + l.Column + " IS NOT NULL"
		}
		queries = append(queries, fmt.Sprintf("SELECT %d, count(*) FROM (%s LIMIT %d) AS counted", i, from, countedUpTo+1))
	}
	if len(queries) == 0 {
		return nil
	}
	rows, err := db.rows(ctx, begin+strings.Join(queries, "\nUNION ALL "))
	if err != nil {
		return db.lost(ctx, err)
	}
	for rows.Next() {
		var i, n int
		if err := rows.Scan(&i, &n); err != nil {
			return errors.Join(err, rows.Close())
		}
		losses[i].Rows, losses[i].AtLeast = min(n, countedUpTo), n > countedUpTo
	}
	return db.lost(ctx, errors.Join(rows.Err(), rows.Close()))
}
