package sqlfile

import (
	"bytes"
	"strings"
)

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
func (r *Reader) statement() (Piece, error) {
	var g statementEnd
	start, i := -1, 0
	for {
		what, end := r.lex(i)
		if what == tokenEnd || r.readError() != nil {
			break
		}
		if what == tokenBlank {
			i = end
			continue
		}
		text := r.buf[i:end]
		if text[0] == '\\' {
			if start >= 0 {
				return Piece{}, misplacedCommandError(r.psqlName(i), r.lineOf(i))
			}
			return r.piece(Blank, i), nil
		}
		r.digest.token(text)
		if start < 0 && text[0] == ';' {
			return r.piece(Blank, end), nil // there is no statement before it
		}
		if start < 0 {
			start = i
		}
		i = end
		if what == tokenWord {
			g.word(text)
		} else if g.other(text[0]) {
			return r.finishStatement(&g, start, i)
		}
	}
	switch {
	case r.readError() != nil:
		return Piece{}, r.readError()
	case start < 0:
		return r.piece(Blank, i), nil
	}
	return r.finishStatement(&g, start, i)
}

// finishStatement returns a statement of n bytes.
func (r *Reader) finishStatement(g *statementEnd, start, n int) (Piece, error) {
	line := r.lineOf(start)
	if g.copyOut {
		return Piece{}, &Error{Line: line, Problem: "COPY … TO stdout has no reader in a migration; write to a table, or remove it"}
	}
	if g.copyIn {
		r.copying, r.copyLine = copyingLine, line
		if r.at(n-1) != ';' {
			return Piece{}, missingRowsError(line)
		}
	}
	p := r.piece(Statement, n)
	p.Start, p.Word, p.CopyIn = start, g.first, g.copyIn
	return p, nil
}

// lineOf returns the line of the byte at i of the unread text.
func (r *Reader) lineOf(i int) int { return r.line + bytes.Count(r.buf[:i], []byte("\n")) }
