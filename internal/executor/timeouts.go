package executor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/shiplock/shiplock/internal/script"
)

// timeoutsSQL returns the SQL that sets the lock and statement timeouts with SET or SET LOCAL.
func (ex *Executor) timeoutsSQL(set string, lock time.Duration) string {
	return ex.lockTimeoutSQL(set, lock) + ex.statementTimeoutSQL(set)
}

func (ex *Executor) lockTimeoutSQL(set string, lock time.Duration) string {
	if ex.session.Opts.LockTimeout <= 0 {
		return ""
	}
	return fmt.Sprintf("%s lock_timeout = %d;\n", set, lock.Milliseconds())
}

func (ex *Executor) statementTimeoutSQL(set string) string {
	if ex.session.Opts.StatementTimeout <= 0 {
		return ""
	}
	return fmt.Sprintf("%s statement_timeout = %d;\n", set, ex.session.Opts.StatementTimeout.Milliseconds())
}

// setTimeouts sets the session's timeouts for a block outside a transaction, except for those that
// the file sets itself. A transaction of the file keeps the timeouts that it began with or set. A
// statement that refuses a transaction gets no lock timeout: CREATE INDEX CONCURRENTLY, for
// example, waits for every older transaction with a lock, no query queues behind it, and a failure
// loses all of its work. before is SQL to send along.
func (ex *Executor) setTimeouts(ctx context.Context, s *script.Script, block script.TxBlock, before string) error {
	lock := ex.session.Opts.LockTimeout
	if s.Statements[block.First].RefusesTransaction {
		lock = 0
	}
	set := ""
	for _, limit := range []struct{ name, sql string }{
		{"lock_timeout", ex.lockTimeoutSQL("SET", lock)},
		{"statement_timeout", ex.statementTimeoutSQL("SET")},
	} {
		if !block.OpenBefore && !setsForSession(s.Statements[:block.First], limit.name) {
			set += limit.sql
		}
	}
	if before+set != "" {
		return ex.session.Exec(ctx, before+set)
	}
	return nil
}

// setsForSession reports whether statements set a parameter for longer than their transaction.
func setsForSession(statements []script.Statement, name string) bool {
	return slices.ContainsFunc(statements, func(st script.Statement) bool {
		return st.SetsParameter(name) && !st.Node.GetVariableSetStmt().GetIsLocal()
	})
}
