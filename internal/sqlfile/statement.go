package sqlfile

import "strings"

// A statementEnd tracks the words of a statement that determine where it ends.
type statementEnd struct {
	words  int // seen so far
	first  string
	last   string // the previous token in lower case, if it was a word
	parens int
	// routine is set for CREATE FUNCTION or PROCEDURE, whose body may be BEGIN ATOMIC … END.
	routine bool
	body    int // depth of BEGIN ATOMIC and CASE
	copyIn  bool
	copyOut bool
}

// maxFunctionWord is the number of the word FUNCTION in CREATE OR REPLACE FUNCTION.
const maxFunctionWord = 4

// word adds a keyword or an identifier.
func (g *statementEnd) word(text []byte) {
	const longest = 16 // length of the relevant words
	g.words++
	if g.words > 1 && g.first != "copy" && !(g.first == "create" && (g.routine || g.words <= maxFunctionWord)) {
		return // only in these statements the end depends on the words
	}
	w := ""
	if len(text) <= longest {
		w = strings.ToLower(string(text))
	}
	if g.words == 1 {
		g.first = w
	}
	if g.parens == 0 {
		switch g.first {
		case "copy":
			std := w == "stdin" || w == "stdout" // the server accepts either
			g.copyIn = g.copyIn || std && g.last == "from"
			g.copyOut = g.copyOut || std && g.last == "to"
		case "create":
			g.create(w)
		}
	}
	g.last = w
}

func (g *statementEnd) create(w string) {
	switch {
	case g.words <= maxFunctionWord && (w == "function" || w == "procedure"):
		g.routine = true
	case g.routine && g.body == 0 && w == "atomic" && g.last == "begin":
		g.body = 1
	case g.body > 0 && w == "case":
		g.body++
	case g.body > 0 && w == "end":
		g.body--
	}
}

// other adds a token that begins with c and is not a word. It reports whether the token
// ends the statement.
func (g *statementEnd) other(c byte) (ends bool) {
	g.last = ""
	g.words = max(g.words, 1) // only the first token can be the first word
	switch {
	case c == '(':
		g.parens++
	case c == ')' && g.parens > 0:
		g.parens--
	}
	return c == ';' && g.parens == 0 && g.body == 0
}

// statement reads a statement, or the blank text before a psql command or the end of the
// file.
func (s *splitter) statement() (Piece, error) {
	var g statementEnd
	start, i := -1, 0
	for {
		what, end := s.lex(i)
		if what == tokenEnd || s.readError() != nil {
			break
		}
		if what == tokenBlank {
			i = end
			continue
		}
		text := s.buf[i:end]
		if text[0] == '\\' {
			if start >= 0 {
				return Piece{}, misplacedCommandError(s.psqlName(i), s.lineOf(i))
			}
			return s.piece(Blank, i), nil
		}
		s.digest.token(text)
		if start < 0 && text[0] == ';' {
			return s.piece(Blank, end), nil // there is no statement before it
		}
		if start < 0 {
			start = i
		}
		i = end
		if what == tokenWord {
			g.word(text)
		} else if g.other(text[0]) {
			return s.finishStatement(&g, start, i)
		}
	}
	switch {
	case s.readError() != nil:
		return Piece{}, s.readError()
	case start < 0:
		return s.piece(Blank, i), nil
	}
	return s.finishStatement(&g, start, i)
}

// finishStatement returns a statement of n bytes.
func (s *splitter) finishStatement(g *statementEnd, start, n int) (Piece, error) {
	line := s.lineOf(start)
	if g.copyOut {
		return Piece{}, &Error{Line: line, Problem: "COPY … TO stdout has no reader in a migration; write to a table, or remove it"}
	}
	if g.copyIn {
		s.copying, s.copyLine = copyingLine, line
		if s.at(n-1) != ';' {
			return Piece{}, missingRowsError(line)
		}
	}
	p := s.piece(Statement, n)
	p.Start, p.Word, p.CopyIn = start, g.first, g.copyIn
	return p, nil
}
