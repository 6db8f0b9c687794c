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

// A statement that refuses a transaction runs as several transactions in the server, and a failed
// one leaves the changes of the committed ones: CREATE INDEX CONCURRENTLY leaves an INVALID index,
// which still rejects rows, REINDEX CONCURRENTLY one beside each index, and DETACH PARTITION
// CONCURRENTLY a partition that is neither attached nor detached. Before such a statement starts,
// the history table stores where to look for its leftovers. See ADR 12.

// A Leftover is an object that a failed or stopped statement left in the database.
type Leftover struct {
	What string // "INVALID index public.i"
	SQL  string // the statement that removes it, or completes its change
	// toast is set for an index of a TOAST table, which only a superuser may drop.
	toast bool
}

func (l Leftover) String() string { return l.What + " (" + l.SQL + ")" }

// Kinds of a leftoverLookup.
const (
	leftoverIndex   = "index"
	leftoverReindex = "reindex"
	leftoverDetach  = "detach"
	leftoverDrop    = "drop"
)

// A leftoverLookup describes the leftovers that a statement may leave. Names are qualified and
// quoted, as resolved in the statement's session.
type leftoverLookup struct {
	Kind      string   `json:"kind"`
	Statement int      `json:"statement"` // its number, from 1
	Table     string   `json:"table"`     // of the index, or the partitioned one
	Name      string   `json:"name"`      // of the index, unquoted, or of the partition; empty for any
	Schema    string   `json:"schema"`    // of a REINDEX SCHEMA
	Invalid   []string `json:"invalid"`   // indexes that were invalid before
	// Valid are the valid indexes of the table, set if PostgreSQL chooses the new index's name.
	Valid []string `json:"valid,omitempty"`
}

// invalidIndexes lists the invalid indexes of a database, with their tables.
const invalidIndexes = `SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(i.relname) AS name, i.relname, i.oid, x.indrelid, n.nspname
	FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace
	WHERE NOT x.indisvalid AND i.relkind = 'i'`

// validIndexes lists the valid indexes.
var validIndexes = strings.Replace(invalidIndexes, "NOT x.indisvalid", "x.indisvalid", 1)

// indexBuilt reports whether an index without a name in its statement was built.
func (db *DB) indexBuilt(ctx context.Context, t *leftoverLookup) (bool, error) {
	var exists bool
	err := db.queryRow(ctx, "SELECT EXISTS (SELECT FROM ("+validIndexes+" AND x.indrelid = pg_catalog.to_regclass("+pq.QuoteLiteral(t.Table)+`)) i
		WHERE relname ~ '_idx[0-9]*$' AND name <> ALL (`+textArray(t.Valid)+`))`).Scan(&exists)
	return exists, db.classifyError(ctx, err)
}

// qualifiedClass is an SQL expression for the qualified name of a relation; NULL if it does not
// exist.
const qualifiedClass = `(SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass(%s))`

// leftoverLookupFor returns the lookup for a statement; nil if it cannot leave anything.
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
		return nil, db.classifyError(ctx, err) // a missing object leaves nothing
	}
	return t, nil
}

// findLeftovers lists the leftovers that match a lookup.
func (db *DB) findLeftovers(ctx context.Context, t *leftoverLookup) ([]Leftover, error) {
	var query string
	table := fmt.Sprintf("pg_catalog.to_regclass(%s)", pq.QuoteLiteral(t.Table))
	none := "name <> ALL (" + textArray(t.Invalid) + ")"
	const free = ` AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.relation IN (i.oid, i.indrelid) AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
		AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
		AND l.pid <> pg_catalog.pg_backend_pid() AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid = l.pid AND a.backend_type = 'autovacuum worker'))`
	index := "SELECT 'INVALID index ' || name, 'DROP INDEX CONCURRENTLY ' || name, nspname = 'pg_toast' FROM (" + invalidIndexes + ") i WHERE " + none
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
			'ALTER TABLE ' || ` + pq.QuoteLiteral(t.Table) + ` || ' DETACH PARTITION ' || ` + pq.QuoteLiteral(t.Name) + ` || ' FINALIZE', false
			FROM pg_catalog.pg_inherits WHERE inhparent = ` + table + ` AND inhrelid = pg_catalog.to_regclass(` + pq.QuoteLiteral(t.Name) + `) AND inhdetachpending`
	case leftoverDrop:
		query = "SELECT 'INVALID index ' || name || ' with an incomplete drop', 'DROP INDEX CONCURRENTLY ' || name, nspname = 'pg_toast' FROM (" + invalidIndexes + ") i WHERE " + none + " AND i.oid = " + table
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
		if err := rows.Scan(&l.What, &l.SQL, &l.toast); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		out = append(out, l)
	}
	return out, db.classifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

// Limits of the cleanup after a failure: lock timeout and number of attempts.
const (
	cleanupLockTimeout = "300ms"
	cleanupAttempts    = 4
)

// dropLeftovers removes the leftovers of a failed statement, and completes changes that cannot be
// reverted. It does not wait long, because the run has failed, and returns the remaining leftovers.
// DROP INDEX locks the table only for a moment; DROP INDEX CONCURRENTLY would wait for every older
// transaction, as the failed statement may have done.
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
				db.log.Info("removed leftover of the failed statement", "leftover", l.What)
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

// dropLeftoversAfterStop is dropLeftovers in a new session, after the SQL that records the end: the
// session of a stopped run has ended.
func (db *DB) dropLeftoversAfterStop(ctx context.Context, t *leftoverLookup, note string) (left []Leftover) {
	cleanupCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	second, err := db.openSecondStore(cleanupCtx)
	if err == nil {
		left, err = second.dropLeftoversAlone(cleanupCtx, t, note)
		err = errors.Join(err, second.Close())
	}
	if err != nil {
		db.log.Debug("could not write the history or remove leftovers", "error", err)
	}
	return left
}

// dropLeftoversAlone is dropLeftovers under the lock, after a note in the history: another migrator
// that holds the lock may be building an object that looks like a leftover.
func (db *DB) dropLeftoversAlone(ctx context.Context, t *leftoverLookup, note string) ([]Leftover, error) {
	if err := db.exec(ctx, note); err != nil {
		return nil, err
	}
	db.opts.LockWait = cleanupTimeout / 2
	if err := db.Lock(ctx); err != nil {
		return nil, err
	}
	return db.dropLeftovers(ctx, t)
}

// storedLookup returns the lookup that the history row stores, or nil.
func storedLookup(row interruptedRow) *leftoverLookup {
	var t leftoverLookup
	if row.leftover == "" || json.Unmarshal([]byte(row.leftover), &t) != nil {
		return nil
	}
	return &t
}

// dropEarlierLeftovers removes the leftovers of a stopped run before its file resumes: the file may
// no longer have the statement that left them. A started detach can only be completed; a started
// drop is left to the statement, if the file still has it.
func (db *DB) dropEarlierLeftovers(ctx context.Context, t *leftoverLookup, s *Script, done int) error {
	if t == nil {
		return nil
	}
	left, err := db.findLeftovers(ctx, t)
	for _, l := range left {
		if t.Kind == leftoverDetach && s != nil && done < len(s.Statements) && detachesConcurrently(s.Statements[done].tree().GetAlterTableStmt()) {
			continue // the statement completes it
		}
		if t.Kind == leftoverDrop {
			if s != nil && done < len(s.Statements) && s.Statements[done].tree().GetDropStmt().GetConcurrent() {
				continue
			}
			name := l.SQL[len("DROP INDEX CONCURRENTLY "):]
			db.log.Warn("keeping invalid index of an interrupted drop; statement no longer in the file", "index", name,
				"keep", "REINDEX INDEX CONCURRENTLY "+name, "drop", l.SQL)
			continue
		}
		db.log.Info("removing leftover of an earlier run", "leftover", l.What, "statement", l.SQL)
		err = db.exec(ctx, l.SQL)
		if pq.As(err, pqerror.InsufficientPrivilege) != nil && l.toast {
			db.log.Warn("could not drop invalid TOAST index; superuser required; only disk space is affected", "statement", l.SQL)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return err
}

// RemoveLeftovers removes the leftovers of a stopped run, for a migration that is resolved without
// another run. It returns the remaining leftovers.
func (db *DB) RemoveLeftovers(ctx context.Context, r Run, finish bool) ([]Leftover, error) {
	row, err := db.readInterruptedRow(ctx, r)
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
		err = nil // the caller reports the remaining leftovers
	}
	return left, err
}
