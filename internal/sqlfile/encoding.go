package sqlfile

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// An encodingCheck refuses text that would be changed or truncated on its way to the server.
type encodingCheck struct {
	line       int
	started    bool
	incomplete []byte // the first bytes of an incomplete character
}

// next checks the next bytes; last reports whether they are the last ones.
func (c *encodingCheck) next(text []byte, last bool) *Error {
	if !c.started && len(text) > 0 {
		c.started = true
		if text[0] >= 0xfe { // part of a byte order mark; UTF-8 has no such bytes
			return &Error{Line: c.line, Problem: "the file is UTF-16; save it as UTF-8"}
		}
	}
	if len(c.incomplete) > 0 {
		text = append(c.incomplete, text...)
		c.incomplete = nil
	}
	if !last {
		whole := completeLength(text)
		c.incomplete = bytes.Clone(text[whole:])
		text = text[:whole]
	}
	nul, bad := bytes.IndexByte(text, 0), invalid(text)
	switch {
	case nul >= 0 && (bad < 0 || nul < bad):
		c.line += bytes.Count(text[:nul], []byte("\n"))
		return &Error{Line: c.line, Problem: "the file contains a NUL byte, which PostgreSQL does not support; remove it"}
	case bad >= 0:
		c.line += bytes.Count(text[:bad], []byte("\n"))
		return &Error{Line: c.line, Problem: fmt.Sprintf("byte 0x%02x is not UTF-8; save the file as UTF-8", text[bad])}
	}
	c.line += bytes.Count(text, []byte("\n"))
	return nil
}

// completeLength returns the length of text without an incomplete character at its end.
func completeLength(text []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		start := len(text) - back
		if utf8.RuneStart(text[start]) {
			if !utf8.FullRune(text[start:]) {
				return start
			}
			break
		}
	}
	return len(text)
}

// invalid returns the index of the first byte that is not UTF-8, or -1.
func invalid(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	for i := 0; ; {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
}

func runes(text []byte) int { return utf8.RuneCount(text) }
