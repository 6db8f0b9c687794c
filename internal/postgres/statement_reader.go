package postgres

import (
	"errors"
	"io"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// readStatements reads a file bit by bit and hands out its statements; what stands
// between them is passed over.
func readStatements(from io.Reader, use func(sqlfile.Piece)) error {
	r := sqlfile.NewReader(from)
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if p.Kind == sqlfile.Statement {
			use(p)
		}
	}
}

// parsed is a statement's text without what stands around it, and its tree; nil
// where the parser does not know it, or takes it for several.
func parseStatement(p sqlfile.Piece) (text string, tree *pgquery.ParseResult) {
	_, text = trimStatement(string(p.Text), p.Start, len(p.Text))
	tree, err := pgquery.Parse(trimSemicolon(text))
	if err != nil || len(tree.Stmts) != 1 {
		return text, nil
	}
	return text, tree
}
