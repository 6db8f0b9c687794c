package sqlfile

import (
	"bytes"
	"strings"
)

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
func (r *Reader) lex(i int) (what token, end int) {
	c := r.at(i)
	switch {
	case c == 0:
		return tokenEnd, i
	case isSpace(c):
		return tokenBlank, r.skip(i+1, classSpace)
	case c == '-' && r.at(i+1) == '-':
		return tokenBlank, r.lineComment(i)
	case c == '/' && r.at(i+1) == '*':
		return tokenBlank, r.blockComment(i)
	case c == '\'':
		return tokenLiteral, r.quoted(i+1, '\'')
	case c == '"':
		return tokenLiteral, r.quoted(i+1, '"')
	case c == '$':
		return tokenLiteral, r.dollar(i)
	case isDigit(c):
		return tokenLiteral, r.skip(i+1, classNumber)
	case isOperator(c):
		return tokenLiteral, r.operator(i)
	case isWordStart(c):
		end = r.skip(i+1, classWord)
		if end == i+1 && c|0x20 == 'e' && r.at(end) == '\'' {
			return tokenLiteral, r.escaped(end + 1)
		}
		return tokenWord, end
	}
	return tokenSymbol, i + 1
}

// skip returns the index of the first byte from i on that is in none of the classes.
func (r *Reader) skip(i int, of class) int {
	for {
		for ; i < len(r.buf); i++ {
			if classes[r.buf[i]]&of == 0 {
				return i
			}
		}
		if r.readTo(i) == 0 {
			return i
		}
	}
}

// lineComment returns the end of the line. For PostgreSQL a single carriage return ends it, too.
func (r *Reader) lineComment(i int) int {
	return r.skip(i, classLine)
}

// blockComment returns the end of a block comment, which may contain nested ones.
func (r *Reader) blockComment(i int) int {
	depth := 1
	for i += 2; depth > 0; i++ {
		switch c := r.at(i); {
		case c == 0:
			return i
		case c == '/' && r.at(i+1) == '*':
			depth++
			i++
		case c == '*' && r.at(i+1) == '/':
			depth--
			i++
		}
	}
	return i
}

// quoted returns the index after the next quote that is not doubled.
func (r *Reader) quoted(i int, quote byte) int {
	for {
		i = r.indexAfter(i, quote)
		if r.at(i) != quote {
			return i
		}
		i++
	}
}

// escaped returns the end of E'…', in which a backslash escapes the next character. A
// string continues after white space that contains a line break.
func (r *Reader) escaped(i int) int {
	for {
		switch c := r.at(i); {
		case c == 0:
			return i
		case c == '\\' && r.at(i+1) != 0:
			i++
		case c == '\'' && r.at(i+1) == '\'':
			i++
		case c == '\'':
			next, continues := r.continuation(i + 1)
			if !continues {
				return i + 1
			}
			i = next
		}
		i++
	}
}

// continuation returns the index of the quote that continues a string.
func (r *Reader) continuation(i int) (next int, continues bool) {
	incomplete := false
	for {
		c := r.at(i)
		switch {
		case c == '\n' || c == '\r':
			incomplete = true
			i++
		case isSpace(c):
			i++
		case c == '-' && r.at(i+1) == '-':
			i = r.lineComment(i)
		default:
			return i, incomplete && c == '\''
		}
	}
}

// dollar returns the end of $tag$ … $tag$, of a single $, or of a parameter such as $1.
func (r *Reader) dollar(i int) int {
	end := i + 1
	if isWordStart(r.at(end)) {
		end = r.skip(end+1, classWordStart|classDigit)
	}
	if r.at(end) != '$' {
		return r.skip(i+1, classDigit)
	}
	end++
	size := end - i
	for {
		next := r.indexAfter(end, '$')
		if next == end || r.at(next-1) != '$' { // end of the file
			return next
		}
		end = next
		for n := 1; n < size; n++ {
			r.at(end - 1 + n)
		}
		// r.at may have read more and moved the bytes.
		if len(r.buf) >= end-1+size && bytes.Equal(r.buf[end-1:end-1+size], r.buf[i:i+size]) {
			return end - 1 + size
		}
	}
}

// operator returns the end of an operator. It ends before a comment. An operator of several
// characters ends with + or - only if it contains one of ~ ! @ # % ^ & | ` ?; otherwise
// a=-1 would not be a comparison.
func (r *Reader) operator(i int) int {
	end := i
	special := false
	for isOperator(r.at(end)) {
		two := [2]byte{r.at(end), r.at(end + 1)}
		if two == [2]byte{'-', '-'} || two == [2]byte{'/', '*'} {
			break
		}
		special = special || bytes.IndexByte([]byte("~!@#%^&|`?"), two[0]) >= 0
		end++
	}
	for end > i+1 && !special && (r.at(end-1) == '+' || r.at(end-1) == '-') {
		end--
	}
	return end
}

// A class is a set of bytes, as a bit.
type class uint8

const (
	classSpace class = 1 << iota
	classDigit
	classWordStart
	classWord
	classNumber // and what may follow without a space
	classOperator
	classLine // everything except line breaks
)

var classes = func() (set [256]class) {
	for i := range set {
		c := byte(i)
		add := func(of class, member bool) {
			if member {
				set[i] |= of
			}
		}
		digit := c >= '0' && c <= '9'
		start := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
		add(classSpace, c == ' ' || c >= '\t' && c <= '\r')
		add(classDigit, digit)
		add(classWordStart, start)
		add(classWord, start || digit || c == '$')
		add(classNumber, start || digit || c == '.')
		add(classOperator, strings.IndexByte("+-*/<>=~!@#%^&|`?", c) >= 0)
		add(classLine, c != 0 && c != '\n' && c != '\r')
	}
	return set
}()

func isSpace(c byte) bool     { return classes[c]&classSpace != 0 }
func isDigit(c byte) bool     { return classes[c]&classDigit != 0 }
func isWordStart(c byte) bool { return classes[c]&classWordStart != 0 }
func isOperator(c byte) bool  { return classes[c]&classOperator != 0 }
