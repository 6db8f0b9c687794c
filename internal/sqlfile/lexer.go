package sqlfile

import "bytes"

// A token is the kind of a lexical token of SQL.
type token int

const (
	tokenEnd     token = iota // end of the file
	tokenBlank                // white space or a comment
	tokenWord                 // a keyword or a plain identifier
	tokenSymbol               // one of ( ) ; \ and everything else
	tokenLiteral              // quoted text, numbers, operators
)

// lex returns the kind and the end of the token at i. It follows PostgreSQL's lexical rules
// (src/backend/parser/scan.l) with standard_conforming_strings on, as far as they affect
// the end of a statement or the checksum.
func (in *input) lex(i int) (what token, end int) {
	c := in.at(i)
	switch {
	case c == 0:
		return tokenEnd, i
	case isSpace(c):
		return tokenBlank, in.skip(i+1, classSpace)
	case c == '-' && in.at(i+1) == '-':
		return tokenBlank, in.lineComment(i)
	case c == '/' && in.at(i+1) == '*':
		return tokenBlank, blockCommentEnd(in.at, i)
	case c == '\'':
		return tokenLiteral, in.quoted(i+1, '\'')
	case c == '"':
		return tokenLiteral, in.quoted(i+1, '"')
	case c == '$':
		return tokenLiteral, in.dollar(i)
	case isDigit(c):
		return tokenLiteral, in.skip(i+1, classNumber)
	case isOperator(c):
		return tokenLiteral, in.operator(i)
	case isWordStart(c):
		end = in.skip(i+1, classWord)
		if end == i+1 && c|0x20 == 'e' && in.at(end) == '\'' {
			return tokenLiteral, in.escaped(end + 1)
		}
		return tokenWord, end
	}
	return tokenSymbol, i + 1
}

// lineComment returns the end of the line. For PostgreSQL a single carriage return ends it, too.
func (in *input) lineComment(i int) int {
	return in.skip(i, classLine)
}

// quoted returns the index after the next quote that is not doubled.
func (in *input) quoted(i int, quote byte) int {
	for {
		i = in.indexAfter(i, quote)
		if in.at(i) != quote {
			return i
		}
		i++
	}
}

// escaped returns the end of E'…', in which a backslash escapes the next character. A
// string continues after white space that contains a line break.
func (in *input) escaped(i int) int {
	for {
		switch c := in.at(i); {
		case c == 0:
			return i
		case c == '\\' && in.at(i+1) != 0:
			i++
		case c == '\'' && in.at(i+1) == '\'':
			i++
		case c == '\'':
			next, continues := in.continuation(i + 1)
			if !continues {
				return i + 1
			}
			i = next
		}
		i++
	}
}

// continuation returns the index of the quote that continues a string.
func (in *input) continuation(i int) (next int, continues bool) {
	incomplete := false
	for {
		c := in.at(i)
		switch {
		case c == '\n' || c == '\r':
			incomplete = true
			i++
		case isSpace(c):
			i++
		case c == '-' && in.at(i+1) == '-':
			i = in.lineComment(i)
		default:
			return i, incomplete && c == '\''
		}
	}
}

// dollar returns the end of $tag$ … $tag$, of a single $, or of a parameter such as $1.
func (in *input) dollar(i int) int {
	end := i + 1
	if isWordStart(in.at(end)) {
		end = in.skip(end+1, classWordStart|classDigit)
	}
	if in.at(end) != '$' {
		return in.skip(i+1, classDigit)
	}
	end++
	size := end - i
	for {
		next := in.indexAfter(end, '$')
		if next == end || in.at(next-1) != '$' { // end of the file
			return next
		}
		end = next
		for n := 1; n < size; n++ {
			in.at(end - 1 + n)
		}
		// in.at may have read more and moved the bytes.
		if len(in.buf) >= end-1+size && bytes.Equal(in.buf[end-1:end-1+size], in.buf[i:i+size]) {
			return end - 1 + size
		}
	}
}

// operator returns the end of an operator. It ends before a comment. An operator of several
// characters ends with + or - only if it contains one of ~ ! @ # % ^ & | ` ?; otherwise
// a=-1 would not be a comparison.
func (in *input) operator(i int) int {
	end := i
	special := false
	for isOperator(in.at(end)) {
		two := [2]byte{in.at(end), in.at(end + 1)}
		if two == [2]byte{'-', '-'} || two == [2]byte{'/', '*'} {
			break
		}
		special = special || bytes.IndexByte([]byte("~!@#%^&|`?"), two[0]) >= 0
		end++
	}
	for end > i+1 && !special && (in.at(end-1) == '+' || in.at(end-1) == '-') {
		end--
	}
	return end
}

// BlankLength returns the length of the white space and the comments at the beginning of SQL.
func BlankLength(sql string) int {
	at := func(i int) byte {
		if i < len(sql) {
			return sql[i]
		}
		return 0
	}
	for i := 0; ; {
		switch c := at(i); {
		case isSpace(c):
			i++
		case c == '-' && at(i+1) == '-':
			for classes[at(i)]&classLine != 0 {
				i++
			}
		case c == '/' && at(i+1) == '*':
			i = blockCommentEnd(at, i)
		default:
			return i
		}
	}
}

// blockCommentEnd returns the end of the block comment at i, which may contain nested ones.
// at returns the byte at an index, and 0 at the end of the text.
func blockCommentEnd(at func(int) byte, i int) int {
	depth := 1
	for i += 2; depth > 0; i++ {
		switch c := at(i); {
		case c == 0:
			return i
		case c == '/' && at(i+1) == '*':
			depth++
			i++
		case c == '*' && at(i+1) == '/':
			depth--
			i++
		}
	}
	return i
}
