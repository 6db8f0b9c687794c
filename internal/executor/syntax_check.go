package executor

import (
	"context"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/script"
)

// checkSyntax makes the server parse a script that does not run in one transaction before any of it
// runs: a syntax error in a later statement would occur after the earlier ones were committed. The
// server parses the whole query before it runs its first statement, which fails. Scripts that the
// parser supports have been checked.
func (ex *Executor) checkSyntax(ctx context.Context, s *script.Script) *migrationerror.Error {
	if !s.HasUnparsed() {
		return nil
	}
	const fails = "SELECT 1 / 0;\n"
	err := ex.session.Exec(ctx, fails+s.SQL)
	if pq.As(err, pqerror.DivisionByZero) != nil {
		return nil
	}
	fail := migrationerror.Wrap(s, err)
	if at := migrationerror.ServerOffset(err, fails+s.SQL); fail != nil && at >= len(fails) {
		fail.Offset = at - len(fails)
		fail.FailedIndex = ex.sender.FailedStatement(s, fail.Offset)
	}
	return fail
}
