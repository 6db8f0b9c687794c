package sqlfile

import (
	"bytes"
	"strings"
)

// statementEnd follows a statement as far as its end depends on its words.
type statementEnd struct {
	words  int // seen so far
	first  string
	last   string // the token before, in lower case, where it was a word
	parens int
	// routine is CREATE FUNCTION or PROCEDURE, whose body may be BEGIN ATOMIC … END.
	routine bool
	body    int // depth of BEGIN ATOMIC and CASE
	copyIn  bool
	copyOut bool
}

// maxFunctionWord is the place of FUNCTION in CREATE OR REPLACE FUNCTION.
const maxFunctionWord = 4

// word takes in a keyword or an identifier.
func (g *statementEnd) word(text []byte) {
	const longest = 16 // of the words that matter
	g.words++
	if g.words > 1 && g.first != "copy" && !(g.first == "create" && (g.routine || g.words <= maxFunctionWord)) {
		return // only these have an end that their words move
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
			std := w == "stdin" || w == "stdout" // the server takes one for the other
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

// other takes in a token that begins with c and is no word. It reports whether it
// ends the statement.
func (g *statementEnd) other(c byte) (ends bool) {
	g.last = ""
	g.words = max(g.words, 1) // the first word would have been the first token
	switch {
	case c == '(':
		g.parens++
	case c == ')' && g.parens > 0:
		g.parens--
	}
	return c == ';' && g.parens == 0 && g.body == 0
}

// statement reads one, or what blank text there is before a line of psql's or the
// end of the file.
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
			return r.piece(Blank, end), nil // it ends nothing
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

// finishStatement is a statement of n bytes.
func (r *Reader) finishStatement(g *statementEnd, start, n int) (Piece, error) {
	line := r.lineOf(start)
	if g.copyOut {
		return Piece{}, &Error{Line: line, Problem: "COPY … TO stdout has nobody to read it in a migration; write to a table, or remove it"}
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

// lineOf is the line of the byte at i of what is left.
func (r *Reader) lineOf(i int) int { return r.line + bytes.Count(r.buf[:i], []byte("\n")) }
