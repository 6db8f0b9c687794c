package sqlfile

import (
	"bytes"
	"fmt"
	"regexp"
)

// psqlLine reads a line with a psql command. Since PostgreSQL 17.6, pg_dump writes two of
// them: \restrict and \unrestrict disable all other psql commands, and are ignored here.
func (r *Reader) psqlLine() (Piece, error) {
	end := r.indexAfter(0, '\n')
	if err := r.readError(); err != nil {
		return Piece{}, err
	}
	if !restrictCommand.Match(r.buf[:end]) {
		return Piece{}, psqlCommandError(r.psqlName(0), r.line)
	}
	return r.piece(PsqlLine, end), nil
}

var restrictCommand = regexp.MustCompile(`^\\(un)?restrict[ \t]+[A-Za-z0-9]+[ \t]*\r?\n?$`)

// psqlName returns the name of the psql command at i; some names are a single symbol.
func (r *Reader) psqlName(i int) string {
	const longest = 20
	end := r.skip(i+1, classWordStart)
	if next := r.at(end); end == i+1 && next > ' ' && next < 0x7f {
		end++
	}
	return string(r.buf[i:min(end, i+longest)])
}

func psqlCommandError(name string, line int) *Error {
	if name == `\.` {
		return &Error{Line: line, Problem: `\. ends the rows of COPY … FROM stdin, but there are no rows before it`}
	}
	return &Error{Line: line, Problem: fmt.Sprintf("%s is a psql command, which the server does not support; %s", name, replacementFor(name))}
}

func misplacedCommandError(name string, line int) *Error {
	if restrictCommand.MatchString(name + " x") {
		return &Error{Line: line, Problem: fmt.Sprintf("%s is inside a statement; end the statement with a semicolon first", name)}
	}
	return psqlCommandError(name, line)
}

// replacementFor returns advice on how to replace a psql command.
func replacementFor(name string) string {
	switch name {
	case `\restrict`, `\unrestrict`:
		return "write exactly one word after it, as pg_dump does"
	case `\connect`, `\c`:
		return "remove it: a migration runs in the configured database"
	case `\i`, `\ir`, `\include`, `\include_relative`:
		return "copy the SQL of that file here, or make it a separate migration"
	case `\copy`:
		return `write COPY … FROM stdin; followed by the rows and a line with \.`
	case `\g`, `\gx`, `\gdesc`:
		return "end the statement with a semicolon"
	case `\gexec`:
		return "run the generated SQL with EXECUTE in a DO block"
	case `\set`, `\gset`, `\getenv`, `\prompt`, `\if`, `\elif`, `\else`, `\endif`:
		return "write the value itself, or use a DO block"
	case `\encoding`:
		return "save the file as UTF-8 and remove it"
	}
	return "remove it, or replace it with SQL"
}

// restOfLine reads the rest of the line after COPY … FROM stdin; because the rows begin on
// the next line, as in psql.
func (r *Reader) restOfLine() (Piece, error) {
	end := r.indexAfter(0, '\n')
	if err := r.readError(); err != nil {
		return Piece{}, err
	}
	rest := bytes.TrimSpace(r.buf[:end])
	if len(rest) > 0 && !bytes.HasPrefix(rest, []byte("--")) {
		return Piece{}, &Error{Line: r.line, Problem: "unexpected text after COPY … FROM stdin; begin the rows on the next line"}
	}
	r.copying = copyingRows
	return r.piece(Blank, end), nil
}

// rows reads lines of COPY data.
func (r *Reader) rows() (Piece, error) {
	n := 0
	for n < maxRows {
		end := r.indexAfter(n, '\n')
		if err := r.readError(); err != nil {
			return Piece{}, err
		}
		line := bytes.TrimSuffix(bytes.TrimSuffix(r.buf[n:end], []byte("\n")), []byte("\r"))
		if string(line) == `\.` {
			if n > 0 {
				break
			}
			r.copying = copyingNothing
			r.digest.row(line)
			return r.piece(RowsEnd, end), nil
		}
		if end == n || r.buf[end-1] != '\n' {
			return Piece{}, missingRowsError(r.copyLine)
		}
		r.digest.row(line)
		n = end
	}
	return r.piece(Rows, n), nil
}

func missingRowsError(line int) *Error {
	return &Error{Line: line, Problem: `COPY … FROM stdin has no rows; add them on the lines below it, followed by a line with \.`}
}
