package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// The parser is that of one PostgreSQL release, and rejects a file as a whole for one
// statement of a newer one. Our own reader tells statements apart without their
// grammar, so that each can be parsed by itself: what is not known is then a
// statement, and not the file.

// splitUnknown tells the statements of a file apart that the parser does not know as
// a whole. It reports false where a setting of the file changes how text is quoted.
func (s *Script) splitByStatement() bool {
	var out []Statement
	err := readStatements(strings.NewReader(s.SQL), func(p sqlfile.Piece) {
		out = append(out, s.parsePiece(p)...)
	})
	if err != nil || slices.ContainsFunc(out, func(st Statement) bool { return disablesConformingStrings.MatchString(st.Text) }) {
		return false
	}
	s.Statements = out
	return true
}

// statementsOf parses one piece; what the parser takes for several statements is several.
func (s *Script) parsePiece(p sqlfile.Piece) []Statement {
	at := int(p.Offset) + p.Start
	text := trimSemicolon(s.SQL[at : int(p.Offset)+len(p.Text)])
	tree, err := pgquery.Parse(text)
	if err != nil || len(tree.Stmts) != 1 {
		return []Statement{{Text: text, Offset: at, unparsed: true, refusesTransaction: refusesTransactionByWords(text), node: &pgquery.Node{}}}
	}
	return []Statement{statement(text, at, tree.Stmts[0].Stmt)}
}

// refusesByName knows some statements that refuse a transaction by their first words,
// where a clause that is new makes the rest unknown.
func refusesTransactionByWords(text string) bool {
	words := strings.Fields(strings.ToLower(text))
	begins := func(want ...string) bool { return len(words) >= len(want) && slices.Equal(words[:len(want)], want) }
	return begins("vacuum") || begins("create", "index", "concurrently") || begins("create", "unique", "index", "concurrently") ||
		begins("drop", "index", "concurrently") || begins("reindex", "index", "concurrently") || begins("reindex", "table", "concurrently") ||
		begins("create", "database") || begins("drop", "database") || begins("create", "tablespace") || begins("drop", "tablespace") ||
		begins("create", "subscription") || begins("drop", "subscription") || begins("alter", "subscription") || begins("alter", "system")
}

// hasUnknown reports whether the parser does not know one of the statements.
func (s *Script) hasUnparsed() bool {
	return slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.unparsed })
}

// watchesEnd reports whether a savepoint is to notice that the script ends the
// transaction around it.
func (s *Script) needsEndGuard() bool {
	return !s.Parsed || s.hasUnparsed() && !s.startsWithSetTransaction()
}

// checkSyntax has the server read a script that is not one transaction, before any of
// it runs: a syntax error in its last statement would come when the others have been
// committed. The server reads a query to its end before it runs its beginning, which
// fails. Scripts that the parser knows have been checked.
func (db *DB) checkSyntax(ctx context.Context, s *Script) *MigrationError {
	if !s.hasUnparsed() {
		return nil
	}
	const fails = "SELECT 1 / 0;\n"
	err := db.exec(ctx, fails+s.SQL)
	if pq.As(err, pqerror.DivisionByZero) != nil {
		return nil
	}
	fail := asMigrationError(s, err)
	if at := serverOffset(err, fails+s.SQL); fail != nil && at >= len(fails) {
		fail.Offset = at - len(fails)
		fail.FailedIndex = db.failedStatement(s, fail.Offset)
	}
	return fail
}
