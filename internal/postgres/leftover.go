package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// A statement that refuses a transaction is several inside of the server, and one
// that fails leaves what the first of them did: CREATE INDEX CONCURRENTLY an INVALID
// index, which rejects rows all the same, REINDEX CONCURRENTLY one beside each index,
// DETACH PARTITION CONCURRENTLY a partition that is neither attached nor detached.
// The history names what a statement may leave before it starts. See ADR 12.

// Leftover is what a failed statement has left in the database.
type Leftover struct {
	What string // "INVALID index public.i"
	SQL  string // the statement that removes or finishes it
}

func (l Leftover) String() string { return l.What + " (" + l.SQL + ")" }

// Kinds of a trail.
const (
	leftoverIndex   = "index"
	leftoverReindex = "reindex"
	leftoverDetach  = "detach"
	leftoverDrop    = "drop"
)

// leftoverLookup is where to look for what a statement has left. Names are qualified and
// quoted, as the statement's own session has resolved them.
type leftoverLookup struct {
	Kind      string   `json:"kind"`
	Statement int      `json:"statement"` // its number, from 1
	Table     string   `json:"table"`     // of the index, or the partitioned one
	Name      string   `json:"name"`      // of the index, unquoted, or of the partition; empty for any
	Schema    string   `json:"schema"`    // of a REINDEX SCHEMA
	Invalid   []string `json:"invalid"`   // indexes that were invalid before
	// Valid are the other indexes of the table, where PostgreSQL is to name the new one.
	Valid []string `json:"valid,omitempty"`
}

// invalidIndexes lists the invalid indexes of a database, with their tables.
const invalidIndexes = `SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(i.relname) AS name, i.relname, i.oid, x.indrelid, n.nspname
	FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace
	WHERE NOT x.indisvalid AND i.relkind = 'i'`

// validIndexes lists the others.
var validIndexes = strings.Replace(invalidIndexes, "NOT x.indisvalid", "x.indisvalid", 1)

// indexBuilt reports whether the index without a name of its own has been built.
func (db *DB) indexBuilt(ctx context.Context, t *leftoverLookup) (bool, error) {
	var there bool
	err := db.queryRow(ctx, "SELECT EXISTS (SELECT FROM ("+validIndexes+" AND x.indrelid = pg_catalog.to_regclass("+pq.QuoteLiteral(t.Table)+`)) i
		WHERE relname ~ '_idx[0-9]*$' AND name <> ALL (`+textArray(t.Valid)+`))`).Scan(&there)
	return there, db.classifyError(ctx, err)
}

// qualifiedClass is the qualified name of what a name resolves to; NULL for nothing.
const qualifiedClass = `(SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass(%s))`

// leftoverLookupFor is where a statement may leave something, or nil.
func (db *DB) leftoverLookupFor(ctx context.Context, st Statement, number int) (*leftoverLookup, error) {
	t, table, part := &leftoverLookup{Statement: number}, "", ""
	switch n := st.tree(); {
	case st.concurrent != nil:
		t.Kind, t.Name, table = leftoverIndex, st.concurrent.Idxname, quoteQualified(st.concurrent.Relation.GetSchemaname(), st.concurrent.Relation.GetRelname())
	case n.GetReindexStmt() != nil && hasOption(n.GetReindexStmt().Params, "concurrently"):
		t.Kind = leftoverReindex
		switch re := n.GetReindexStmt(); re.Kind {
		case pgquery.ReindexObjectType_REINDEX_OBJECT_SCHEMA:
			t.Schema = re.Name
		case pgquery.ReindexObjectType_REINDEX_OBJECT_INDEX, pgquery.ReindexObjectType_REINDEX_OBJECT_TABLE:
			table = quoteQualified(re.Relation.GetSchemaname(), re.Relation.GetRelname())
		}
	case n.GetDropStmt() != nil && n.GetDropStmt().Concurrent:
		t.Kind, table = leftoverDrop, onlyDropName(n.GetDropStmt().Objects)
	default:
		at := n.GetAlterTableStmt()
		if at == nil || !detachesConcurrently(at) || db.Server.versionNum < 140000 {
			return nil, nil
		}
		t.Kind, table = leftoverDetach, quoteQualified(at.Relation.GetSchemaname(), at.Relation.GetRelname())
		child := at.Cmds[0].GetAlterTableCmd().GetDef().GetPartitionCmd().GetName()
		part = quoteQualified(child.GetSchemaname(), child.GetRelname())
	}
	resolved, name, before, valid := "''", "''", "", "[]"
	if table != "" {
		resolved = fmt.Sprintf(qualifiedClass, literalOrNull(table))
	}
	if part != "" {
		name = fmt.Sprintf(qualifiedClass, literalOrNull(part))
	}
	err := db.queryRow(ctx, `SELECT coalesce(`+resolved+`, ''), coalesce(`+name+`, ''),
		(SELECT coalesce(pg_catalog.json_agg(name), '[]')::text FROM (`+invalidIndexes+`) i)`).Scan(&t.Table, &name, &before)
	if err == nil {
		err = json.Unmarshal([]byte(before), &t.Invalid)
	}
	if err == nil && t.Kind == leftoverIndex && t.Name == "" && t.Table != "" {
		err = db.queryRow(ctx, "SELECT coalesce(pg_catalog.json_agg(name), '[]')::text FROM ("+validIndexes+" AND x.indrelid = to_regclass($1)) i", t.Table).Scan(&valid)
		if err == nil {
			err = json.Unmarshal([]byte(valid), &t.Valid)
		}
	}
	if part != "" {
		t.Name = name
	}
	if err != nil || table != "" && t.Table == "" || part != "" && t.Name == "" {
		return nil, db.classifyError(ctx, err) // what is not there leaves nothing
	}
	return t, nil
}

// find lists what is left along a trail.
func (db *DB) findLeftovers(ctx context.Context, t *leftoverLookup) ([]Leftover, error) {
	var query string
	table := fmt.Sprintf("pg_catalog.to_regclass(%s)", pq.QuoteLiteral(t.Table))
	none := "name <> ALL (" + textArray(t.Invalid) + ")"
	const free = ` AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.relation IN (i.oid, i.indrelid) AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
		AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
		AND l.pid <> pg_catalog.pg_backend_pid() AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid = l.pid AND a.backend_type = 'autovacuum worker'))`
	index := "SELECT 'INVALID index ' || name, 'DROP INDEX CONCURRENTLY ' || name FROM (" + invalidIndexes + ") i WHERE " + none
	switch t.Kind {
	case leftoverIndex:
		query = index + " AND indrelid = " + table
		if t.Name != "" {
			query += " AND relname = " + pq.QuoteLiteral(t.Name)
		} else {
			query += free
		}
	case leftoverReindex:
		query = index + " AND relname ~ '_cc(new|old)[0-9]*$'" + free
		switch {
		case t.Schema != "":
			query += ` AND (nspname = ` + pq.QuoteLiteral(t.Schema) + ` OR nspname = 'pg_toast')`
		case t.Table != "":
			query += ` AND indrelid IN (SELECT r FROM (
				WITH target AS (SELECT coalesce((SELECT x.indrelid FROM pg_catalog.pg_index x WHERE x.indexrelid = ` + table + `), ` + table + `) AS oid)
				SELECT oid AS r FROM target UNION SELECT p.relid FROM target, pg_catalog.pg_partition_tree(target.oid) p
				UNION SELECT c.reltoastrelid FROM target, pg_catalog.pg_class c WHERE c.oid = target.oid
				UNION SELECT c.reltoastrelid FROM target, pg_catalog.pg_partition_tree(target.oid) p JOIN pg_catalog.pg_class c ON c.oid = p.relid) tables)`
		}
	case leftoverDetach:
		query = `SELECT 'pending detach of partition ' || ` + pq.QuoteLiteral(t.Name) + ` || ' from ' || ` + pq.QuoteLiteral(t.Table) + `,
			'ALTER TABLE ' || ` + pq.QuoteLiteral(t.Table) + ` || ' DETACH PARTITION ' || ` + pq.QuoteLiteral(t.Name) + ` || ' FINALIZE'
			FROM pg_catalog.pg_inherits WHERE inhparent = ` + table + ` AND inhrelid = pg_catalog.to_regclass(` + pq.QuoteLiteral(t.Name) + `) AND inhdetachpending`
	case leftoverDrop:
		query = "SELECT 'INVALID index ' || name || ', whose drop has begun', 'DROP INDEX CONCURRENTLY ' || name FROM (" + invalidIndexes + ") i WHERE " + none + " AND i.oid = " + table
	default:
		return nil, nil
	}
	rows, err := db.query(ctx, query)
	if err != nil {
		return nil, db.classifyError(ctx, err)
	}
	var out []Leftover
	for rows.Next() {
		var l Leftover
		if err := rows.Scan(&l.What, &l.SQL); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		out = append(out, l)
	}
	return out, db.classifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

// Limits of the work after a failure: a lock is not waited for longer than this, and
// is asked for again as often.
const (
	cleanupLockTimeout = "300ms"
	cleanupAttempts    = 4
)

// dropLeftovers removes what a failed statement has left, and finishes what cannot be
// taken back. It does not wait long: the run has failed. It returns what stays.
// Plain DROP INDEX locks the table for a moment, and only for that; CONCURRENTLY
// would wait for every older transaction, as the statement may just have done.
func (db *DB) dropLeftovers(ctx context.Context, t *leftoverLookup) ([]Leftover, error) {
	var left []Leftover
	var err error
	for try := range cleanupAttempts {
		if left, err = db.findLeftovers(ctx, t); err != nil || len(left) == 0 {
			return nil, err
		}
		for _, l := range left {
			sql := l.SQL
			if t.Kind != leftoverDetach {
				sql = "DROP INDEX" + l.SQL[len("DROP INDEX CONCURRENTLY"):]
			}
			err = db.exec(ctx, "BEGIN;\nSET LOCAL lock_timeout = '"+cleanupLockTimeout+"';\nSET LOCAL statement_timeout = '1s';\n"+sql+";\nCOMMIT")
			if err == nil {
				db.log.Info("removed what the failed statement left", "what", l.What)
				continue
			}
			if isLostError(err) || ctx.Err() != nil {
				return left, err
			}
			if rolled := db.rollback(ctx, ""); rolled != nil {
				return left, rolled
			}
			if pq.As(err, pqerror.LockNotAvailable, pqerror.QueryCanceled) == nil {
				try = cleanupAttempts
			}
		}
		if err == nil || try >= cleanupAttempts-1 || sleep(ctx, 100*time.Millisecond) != nil {
			break
		}
	}
	left, findErr := db.findLeftovers(ctx, t)
	return left, errors.Join(err, findErr)
}

// dropLeftoversAfterStop is dropLeftovers on a session of its own, after the SQL that notes the end:
// that of the run has ended with it.
func (db *DB) dropLeftoversAfterStop(ctx context.Context, t *leftoverLookup, note string) (left []Leftover) {
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	err := db.withSecondSession(short, func(fresh *DB) error {
		if err := fresh.exec(short, note); err != nil {
			return err
		}
		// Without the lock another migrator may be building what looks as if it were left.
		fresh.opts.LockWait = cleanupTimeout / 2
		if locked := fresh.Lock(short); locked != nil {
			return locked
		}
		var err error
		left, err = fresh.dropLeftovers(short, t)
		return err
	})
	if err != nil {
		db.log.Debug("the history could not be written, or what the statement left could not be removed", "error", err)
	}
	return left
}

// storedLookup reads a trail of the history.
func storedLookup(row interruptedRow) *leftoverLookup {
	var t leftoverLookup
	if row.leftover == "" || json.Unmarshal([]byte(row.leftover), &t) != nil {
		return nil
	}
	return &t
}

// dropEarlierLeftovers removes what the last statement of a stopped run has left, before the
// file is resumed: the file may no longer have that statement. A begun detach can
// only be finished; a begun drop is left to the statement, if the file has it.
func (db *DB) dropEarlierLeftovers(ctx context.Context, t *leftoverLookup, s *Script, done int) error {
	if t == nil {
		return nil
	}
	left, err := db.findLeftovers(ctx, t)
	for _, l := range left {
		if t.Kind == leftoverDetach && s != nil && done < len(s.Statements) && detachesConcurrently(s.Statements[done].tree().GetAlterTableStmt()) {
			continue // the statement will find it begun
		}
		if t.Kind == leftoverDrop {
			if s != nil && done < len(s.Statements) && s.Statements[done].tree().GetDropStmt().GetConcurrent() {
				continue
			}
			name := l.SQL[len("DROP INDEX CONCURRENTLY "):]
			db.log.Warn("an index is INVALID: a statement that the file no longer has began to drop it", "index", name,
				"to_keep_it", "REINDEX INDEX CONCURRENTLY "+name, "to_drop_it", l.SQL)
			continue
		}
		db.log.Info("removing what an earlier run left", "what", l.What, "statement", l.SQL)
		err = db.exec(ctx, l.SQL)
		if pq.As(err, pqerror.InsufficientPrivilege) != nil && strings.HasPrefix(l.What, invalidToastIndex) {
			db.log.Warn("an INVALID index on a TOAST table stays: only a superuser can drop it; it costs space and time, and nothing else", "statement", l.SQL)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return err
}

const invalidToastIndex = "INVALID index pg_toast."

// RemoveLeftovers removes what a stopped run has left, for a migration that is settled
// without another run of it. It returns what stays.
func (db *DB) RemoveLeftovers(ctx context.Context, r Run, finish bool) ([]Leftover, error) {
	row, err := db.interruptedRow(ctx, r)
	t := storedLookup(row)
	if err != nil || t == nil {
		return nil, err
	}
	if t.Kind == leftoverDrop || t.Kind == leftoverDetach && !finish {
		return db.findLeftovers(ctx, t)
	}
	left, err := db.dropLeftovers(ctx, t)
	var server *pq.Error
	if errors.As(err, &server) {
		err = nil // it is named
	}
	return left, err
}
