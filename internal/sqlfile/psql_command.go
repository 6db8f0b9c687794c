package sqlfile

import (
	"fmt"
	"regexp"
)

// psqlLine reads a line with a psql command. Since PostgreSQL 17.6, pg_dump writes two of
// them: \restrict and \unrestrict disable all other psql commands, and are ignored here.
func (s *splitter) psqlLine() (Piece, error) {
	end := s.indexAfter(0, '\n')
	if err := s.readError(); err != nil {
		return Piece{}, err
	}
	if !restrictCommand.Match(s.buf[:end]) {
		return Piece{}, psqlCommandError(s.psqlName(0), s.line)
	}
	return s.piece(PsqlLine, end), nil
}

var restrictCommand = regexp.MustCompile(`^\\(un)?restrict[ \t]+[A-Za-z0-9]+[ \t]*\r?\n?$`)

// psqlName returns the name of the psql command at i; some names are a single symbol.
func (s *splitter) psqlName(i int) string {
	const longest = 20
	end := s.skip(i+1, classWordStart)
	if next := s.at(end); end == i+1 && next > ' ' && next < 0x7f {
		end++
	}
	return string(s.buf[i:min(end, i+longest)])
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
