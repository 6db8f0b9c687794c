package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"
)

// laterColumns are those that the journal has not had from the beginning, with
// their types: one made by an older release lacks them until it is widened.
var laterColumns = []struct{ name, kind string }{
	{"catalog", "text"},                                                                // see Run.Catalog
	{"database_role", "text"},                                                          // see Options.Role
	{"down_bytes", "bigint"}, {"breaks_before", "bigint"}, {"irreversible", "boolean"}, // see Ran
	{"session_state", "text"}, {"leftover", "text"}, // see sessionState and trail
}

// widenWait is how long to wait for a journal that somebody reads.
const widenWait = 2 * time.Second

// has says whether the journal has one of the laterColumns, or will have it as soon as it is made.
func (db *DB) has(column string) bool { return !slices.Contains(db.lacks, column) }

// widen adds what an older release's journal lacks. It is no part of a migration's
// transaction, which would keep everybody from reading the journal until it ends.
// Where it is not to be had, because the role does not own the journal, or somebody
// has it open, all goes on without.
func (db *DB) widen(ctx context.Context) error {
	if len(db.lacks) == 0 || db.opts.ForTool {
		return nil
	}
	var alter []string
	for _, c := range laterColumns {
		if !db.has(c.name) { // of one that is there the server would remark so
			alter = append(alter, "ADD COLUMN IF NOT EXISTS "+c.name+" "+c.kind)
		}
	}
	query := "SET LOCAL lock_timeout = " + literal(widenWait.String()) + ";\nALTER TABLE " + db.journal() + " " + strings.Join(alter, ", ") + ";\n"
	if db.open {
		query = "SAVEPOINT shiplock_widen;\n" + query + "RELEASE SAVEPOINT shiplock_widen;\n"
	}
	err := db.exec(ctx, query)
	var server *pq.Error
	if !errors.As(err, &server) {
		if err == nil {
			db.lacks = nil
		}
		return err
	}
	db.log.Debug("the journal is one of an older release, and stays so", "reason", server.Message, "without", db.lacks)
	if db.open {
		return db.exec(ctx, "ROLLBACK TO SAVEPOINT shiplock_widen")
	}
	return nil
}

// laterNames is an array of the names of the laterColumns, as PostgreSQL writes one.
func laterNames() string {
	var names []string
	for _, c := range laterColumns {
		names = append(names, c.name)
	}
	return "{" + strings.Join(names, ",") + "}"
}

// laterTable is the part of CREATE TABLE for the laterColumns.
func laterTable() string {
	var out strings.Builder
	for _, c := range laterColumns {
		out.WriteString(",\n\t" + c.name + " " + c.kind)
	}
	return out.String()
}

// forget is the part of an UPDATE after which a row is clean with no catalog: a
// file that goes on may be another one than the one that stopped.
func (db *DB) forget() string {
	if !db.has("catalog") {
		return ""
	}
	return ", catalog = NULL"
}
