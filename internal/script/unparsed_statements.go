package script

import (
	"regexp"
	"slices"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// The parser is that of one PostgreSQL release and rejects a whole file for one statement of a
// newer release. sqlfile splits statements without a grammar, so that each can be parsed on its own
// and only the unsupported statement remains unparsed.

// splitByStatement splits a file that the parser rejects as a whole. It returns false if a setting
// in the file changes how strings are quoted.
func (s *Script) splitByStatement() bool {
	var out []Statement
	err := ReadStatements(strings.NewReader(s.SQL), func(p sqlfile.Piece) {
		out = append(out, s.parsePiece(p)...)
	})
	if err != nil || slices.ContainsFunc(out, func(st Statement) bool { return disablesConformingStrings.MatchString(st.Text) }) {
		return false
	}
	s.Statements = out
	return true
}

// parsePiece parses one piece. Unless it is exactly one statement by the parser's rules, it remains
// unparsed.
func (s *Script) parsePiece(p sqlfile.Piece) []Statement {
	at := int(p.Offset) + p.Start
	text := TrimSemicolon(s.SQL[at : int(p.Offset)+len(p.Text)])
	tree, err := pgquery.Parse(text)
	if err != nil || len(tree.Stmts) != 1 {
		return []Statement{{Text: text, Offset: at, unparsed: true, RefusesTransaction: refusesTransactionByWords(text), Node: &pgquery.Node{}}}
	}
	return []Statement{newStatement(text, at, tree.Stmts[0].Stmt)}
}

// refusesTransactionByWords recognizes statements that cannot run in a transaction by their first
// words, if a new clause prevents parsing.
func refusesTransactionByWords(text string) bool {
	words := strings.Fields(strings.ToLower(text))
	begins := func(want ...string) bool { return len(words) >= len(want) && slices.Equal(words[:len(want)], want) }
	return begins("vacuum") || begins("create", "index", "concurrently") || begins("create", "unique", "index", "concurrently") ||
		begins("drop", "index", "concurrently") || begins("reindex", "index", "concurrently") || begins("reindex", "table", "concurrently") ||
		begins("create", "database") || begins("drop", "database") || begins("create", "tablespace") || begins("drop", "tablespace") ||
		begins("create", "subscription") || begins("drop", "subscription") || begins("alter", "subscription") || begins("alter", "system")
}

// disablesConformingStrings matches the setting that makes backslashes in plain quotes special.
var disablesConformingStrings = regexp.MustCompile(`(?i)^set\s+(session\s+|local\s+)?standard_conforming_strings\s*(=|to)\s*'?(off|of|false|f|no|n|0)\b`)
