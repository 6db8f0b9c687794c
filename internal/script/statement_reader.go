package script

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

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

func lineAt(text []byte, offset int) int { return 1 + bytes.Count(text[:offset], []byte("\n")) }

// LineInPiece returns the line in the file of an offset in a piece.
func LineInPiece(p sqlfile.Piece, at int) int { return p.Line - 1 + lineAt(p.Text, at) }

// columnInPiece returns the 0-based column of an offset in a piece.
func columnInPiece(p sqlfile.Piece, at int) int {
	before := string(p.Text[:at])
	start := strings.LastIndexByte(before, '\n') + 1
	if start == 0 {
		return p.Column + utf8.RuneCountInString(before)
	}
	return utf8.RuneCountInString(before[start:])
}

// parseIfRelevant parses a statement if its first word can affect how the script runs.
func parseIfRelevant(p sqlfile.Piece) (st Statement, known bool) {
	switch p.Word {
	case "alter", "drop", "create", "reindex", "vacuum", "cluster", "discard", "set", "copy",
		"begin", "start", "commit", "end", "rollback", "abort", "prepare", "savepoint", "release", "call", "do":
	default:
		return Statement{Node: &pgquery.Node{}}, true
	}
	_, text := trimStatement(string(p.Text), p.Start, len(p.Text))
	text = TrimSemicolon(text)
	tree, err := pgquery.Parse(text)
	if err != nil || len(tree.Stmts) != 1 {
		return Statement{Text: text, Node: &pgquery.Node{}}, false
	}
	return newStatement(text, p.Start, tree.Stmts[0].Stmt), true
}
