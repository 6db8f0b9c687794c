package resume

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

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/retry"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/script/syntax"
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

// Kinds of a LeftoverLookup.
const (
	leftoverIndex   = "index"
	leftoverReindex = "reindex"
	LeftoverDetach  = "detach"
	LeftoverDrop    = "drop"
)

// A LeftoverLookup describes the leftovers that a statement may leave. Names are qualified and
// quoted, as resolved in the statement's session.
type LeftoverLookup struct {
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
func (resumer *Resumer) indexBuilt(ctx context.Context, t *LeftoverLookup) (bool, error) {
	var exists bool
	err := resumer.session.QueryRow(ctx, "SELECT EXISTS (SELECT FROM ("+validIndexes+" AND x.indrelid = pg_catalog.to_regclass("+pq.QuoteLiteral(t.Table)+`)) i
		WHERE relname ~ '_idx[0-9]*$' AND name <> ALL (`+postgres.TextArray(t.Valid)+`))`).Scan(&exists)
	return exists, resumer.session.ClassifyError(ctx, err)
}

// qualifiedClass is an SQL expression for the qualified name of a relation; NULL if it does not
// exist.
const qualifiedClass = `(SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass(%s))`

// LeftoverLookupFor returns the lookup for a statement; nil if it cannot leave anything.
func (resumer *Resumer) LeftoverLookupFor(ctx context.Context, st script.Statement, number int) (*LeftoverLookup, error) {
	t, table, part := &LeftoverLookup{Statement: number}, "", ""
	switch n := st.Tree(); {
	case st.Concurrent != nil:
		t.Kind, t.Name, table = leftoverIndex, st.Concurrent.Idxname, syntax.QuoteQualified(st.Concurrent.Relation.GetSchemaname(), st.Concurrent.Relation.GetRelname())
	case n.GetReindexStmt() != nil && syntax.HasOption(n.GetReindexStmt().Params, "concurrently"):
		t.Kind = leftoverReindex
		switch re := n.GetReindexStmt(); re.Kind {
		case pgquery.ReindexObjectType_REINDEX_OBJECT_SCHEMA:
			t.Schema = re.Name
		case pgquery.ReindexObjectType_REINDEX_OBJECT_INDEX, pgquery.ReindexObjectType_REINDEX_OBJECT_TABLE:
			table = syntax.QuoteQualified(re.Relation.GetSchemaname(), re.Relation.GetRelname())
		}
	case n.GetDropStmt() != nil && n.GetDropStmt().Concurrent:
		t.Kind, table = LeftoverDrop, syntax.OnlyDropName(n.GetDropStmt().Objects)
	default:
		at := n.GetAlterTableStmt()
		if at == nil || !syntax.DetachesConcurrently(at) || resumer.session.Server.VersionNum < 140000 {
			return nil, nil
		}
		t.Kind, table = LeftoverDetach, syntax.QuoteQualified(at.Relation.GetSchemaname(), at.Relation.GetRelname())
		child := at.Cmds[0].GetAlterTableCmd().GetDef().GetPartitionCmd().GetName()
		part = syntax.QuoteQualified(child.GetSchemaname(), child.GetRelname())
	}
	resolved, name, before, valid := "''", "''", "", "[]"
	if table != "" {
		resolved = fmt.Sprintf(qualifiedClass, postgres.LiteralOrNull(table))
	}
	if part != "" {
		name = fmt.Sprintf(qualifiedClass, postgres.LiteralOrNull(part))
	}
	err := resumer.session.QueryRow(ctx, `SELECT coalesce(`+resolved+`, ''), coalesce(`+name+`, ''),
		(SELECT coalesce(pg_catalog.json_agg(name), '[]')::text FROM (`+invalidIndexes+`) i)`).Scan(&t.Table, &name, &before)
	if err == nil {
		err = json.Unmarshal([]byte(before), &t.Invalid)
	}
	if err == nil && t.Kind == leftoverIndex && t.Name == "" && t.Table != "" {
		err = resumer.session.QueryRow(ctx, "SELECT coalesce(pg_catalog.json_agg(name), '[]')::text FROM ("+validIndexes+" AND x.indrelid = to_regclass($1)) i", t.Table).Scan(&valid)
		if err == nil {
			err = json.Unmarshal([]byte(valid), &t.Valid)
		}
	}
	if part != "" {
		t.Name = name
	}
	if err != nil || table != "" && t.Table == "" || part != "" && t.Name == "" {
		return nil, resumer.session.ClassifyError(ctx, err) // a missing object leaves nothing
	}
	return t, nil
}

// FindLeftovers lists the leftovers that match a lookup.
func (resumer *Resumer) FindLeftovers(ctx context.Context, t *LeftoverLookup) ([]Leftover, error) {
	var query string
	table := fmt.Sprintf("pg_catalog.to_regclass(%s)", pq.QuoteLiteral(t.Table))
	none := "name <> ALL (" + postgres.TextArray(t.Invalid) + ")"
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
	case LeftoverDetach:
		query = `SELECT 'pending detach of partition ' || ` + pq.QuoteLiteral(t.Name) + ` || ' from ' || ` + pq.QuoteLiteral(t.Table) + `,
			'ALTER TABLE ' || ` + pq.QuoteLiteral(t.Table) + ` || ' DETACH PARTITION ' || ` + pq.QuoteLiteral(t.Name) + ` || ' FINALIZE', false
			FROM pg_catalog.pg_inherits WHERE inhparent = ` + table + ` AND inhrelid = pg_catalog.to_regclass(` + pq.QuoteLiteral(t.Name) + `) AND inhdetachpending`
	case LeftoverDrop:
		query = "SELECT 'INVALID index ' || name || ' with an incomplete drop', 'DROP INDEX CONCURRENTLY ' || name, nspname = 'pg_toast' FROM (" + invalidIndexes + ") i WHERE " + none + " AND i.oid = " + table
	default:
		return nil, nil
	}
	rows, err := resumer.session.Query(ctx, query)
	if err != nil {
		return nil, resumer.session.ClassifyError(ctx, err)
	}
	var out []Leftover
	for rows.Next() {
		var l Leftover
		if err := rows.Scan(&l.What, &l.SQL, &l.toast); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		out = append(out, l)
	}
	return out, resumer.session.ClassifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

// Limits of the cleanup after a failure: lock timeout and number of attempts.
const (
	cleanupLockTimeout = "300ms"
	cleanupAttempts    = 4
)

// DropLeftovers removes the leftovers of a failed statement, and completes changes that cannot be
// reverted. It does not wait long, because the run has failed, and returns the remaining leftovers.
// DROP INDEX locks the table only for a moment; DROP INDEX CONCURRENTLY would wait for every older
// transaction, as the failed statement may have done.
func (resumer *Resumer) DropLeftovers(ctx context.Context, t *LeftoverLookup) ([]Leftover, error) {
	var left []Leftover
	var err error
	for try := range cleanupAttempts {
		if left, err = resumer.FindLeftovers(ctx, t); err != nil || len(left) == 0 {
			return nil, err
		}
		for _, l := range left {
			sql := l.SQL
			if t.Kind != LeftoverDetach {
				sql = "DROP INDEX" + l.SQL[len("DROP INDEX CONCURRENTLY"):]
			}
			err = resumer.session.Exec(ctx, "BEGIN;\nSET LOCAL lock_timeout = '"+cleanupLockTimeout+"';\nSET LOCAL statement_timeout = '1s';\n"+sql+";\nCOMMIT")
			if err == nil {
				resumer.log.Info("removed leftover of the failed statement", "leftover", l.What)
				continue
			}
			if postgres.IsLostError(err) || ctx.Err() != nil {
				return left, err
			}
			if rolled := resumer.session.Rollback(ctx, ""); rolled != nil {
				return left, rolled
			}
			if pq.As(err, pqerror.LockNotAvailable, pqerror.QueryCanceled) == nil {
				try = cleanupAttempts
			}
		}
		if err == nil || try >= cleanupAttempts-1 || retry.Sleep(ctx, 100*time.Millisecond) != nil {
			break
		}
	}
	left, findErr := resumer.FindLeftovers(ctx, t)
	return left, errors.Join(err, findErr)
}

// StoredLookup returns the lookup that the history row stores, or nil.
func StoredLookup(row history.InterruptedRow) *LeftoverLookup {
	var t LeftoverLookup
	if row.Leftover == "" || json.Unmarshal([]byte(row.Leftover), &t) != nil {
		return nil
	}
	return &t
}

// DropEarlierLeftovers removes the leftovers of a stopped run before its file resumes: the file may
// no longer have the statement that left them. A started detach can only be completed; a started
// drop is left to the statement, if the file still has it.
func (resumer *Resumer) DropEarlierLeftovers(ctx context.Context, t *LeftoverLookup, s *script.Script, done int) error {
	if t == nil {
		return nil
	}
	left, err := resumer.FindLeftovers(ctx, t)
	for _, l := range left {
		if t.Kind == LeftoverDetach && s != nil && done < len(s.Statements) && syntax.DetachesConcurrently(s.Statements[done].Tree().GetAlterTableStmt()) {
			continue // the statement completes it
		}
		if t.Kind == LeftoverDrop {
			if s != nil && done < len(s.Statements) && s.Statements[done].Tree().GetDropStmt().GetConcurrent() {
				continue
			}
			name := l.SQL[len("DROP INDEX CONCURRENTLY "):]
			resumer.log.Warn("keeping invalid index of an interrupted drop; statement no longer in the file", "index", name,
				"keep", "REINDEX INDEX CONCURRENTLY "+name, "drop", l.SQL)
			continue
		}
		resumer.log.Info("removing leftover of an earlier run", "leftover", l.What, "statement", l.SQL)
		err = resumer.session.Exec(ctx, l.SQL)
		if pq.As(err, pqerror.InsufficientPrivilege) != nil && l.toast {
			resumer.log.Warn("could not drop invalid TOAST index; superuser required; only disk space is affected", "statement", l.SQL)
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
func (resumer *Resumer) RemoveLeftovers(ctx context.Context, r history.Entry, finish bool) ([]Leftover, error) {
	row, err := resumer.store.ReadInterruptedRow(ctx, r)
	t := StoredLookup(row)
	if err != nil || t == nil {
		return nil, err
	}
	if t.Kind == LeftoverDrop || t.Kind == LeftoverDetach && !finish {
		return resumer.FindLeftovers(ctx, t)
	}
	left, err := resumer.DropLeftovers(ctx, t)
	var server *pq.Error
	if errors.As(err, &server) {
		err = nil // the caller reports the remaining leftovers
	}
	return left, err
}
