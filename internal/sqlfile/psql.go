package sqlfile

import (
	"bytes"
	"fmt"
	"regexp"
)

// psqlLine reads a line that is psql's and not the server's. pg_dump writes two of
// them since PostgreSQL 17.6: \restrict and \unrestrict keep psql from obeying any
// other, and mean nothing here.
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

// psqlName is the name of psql's command at i; some are a single other character.
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
		return &Error{Line: line, Problem: `\. ends the rows of COPY … FROM stdin, and none begin before it`}
	}
	return &Error{Line: line, Problem: fmt.Sprintf("%s is a command of psql's, which the server does not know; %s", name, replacementFor(name))}
}

func misplacedCommandError(name string, line int) *Error {
	if restrictCommand.MatchString(name + " x") {
		return &Error{Line: line, Problem: fmt.Sprintf("%s stands inside of a statement; end that with a semicolon first", name)}
	}
	return psqlCommandError(name, line)
}

// replacementFor is what to write instead of a command of psql's.
func replacementFor(name string) string {
	switch name {
	case `\restrict`, `\unrestrict`:
		return "only one word may follow it, as pg_dump writes it"
	case `\connect`, `\c`:
		return "remove it: a migration runs in the database that it is given"
	case `\i`, `\ir`, `\include`, `\include_relative`:
		return "put that file's SQL here, or make it a migration of its own"
	case `\copy`:
		return `write COPY … FROM stdin; with the rows below it and a line \. at their end`
	case `\g`, `\gx`, `\gdesc`:
		return "end the statement with a semicolon"
	case `\gexec`:
		return "run what the query makes with EXECUTE in a DO block"
	case `\set`, `\gset`, `\getenv`, `\prompt`, `\if`, `\elif`, `\else`, `\endif`:
		return "write the value itself, or decide in a DO block"
	case `\encoding`:
		return "save the file as UTF-8 and remove it"
	}
	return "remove it, or write what it does in SQL"
}

// restOfLine is what stands behind COPY … FROM stdin; on its line: psql reads the
// rows from the next line on.
func (r *Reader) restOfLine() (Piece, error) {
	end := r.indexAfter(0, '\n')
	if err := r.readError(); err != nil {
		return Piece{}, err
	}
	rest := bytes.TrimSpace(r.buf[:end])
	if len(rest) > 0 && !bytes.HasPrefix(rest, []byte("--")) {
		return Piece{}, &Error{Line: r.line, Problem: "nothing may follow COPY … FROM stdin; on its line: its rows begin on the next"}
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
	return &Error{Line: line, Problem: `COPY … FROM stdin needs its rows below it, and a line \. at their end`}
}
