package script

import (
	"errors"
	"io"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// ReadStatements reads a file in pieces and calls use for each statement; it skips the text
// between them.
func ReadStatements(from io.Reader, use func(sqlfile.Piece)) error {
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

// ParseStatement returns a statement's text without the comments around it, and its tree; nil if
// the parser does not recognize it or finds more than one statement.
func ParseStatement(p sqlfile.Piece) (text string, tree *pgquery.ParseResult) {
	_, text = trimStatement(string(p.Text), p.Start, len(p.Text))
	tree, err := pgquery.Parse(TrimSemicolon(text))
	if err != nil || len(tree.Stmts) != 1 {
		return text, nil
	}
	return text, tree
}
