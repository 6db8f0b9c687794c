package sqlfile

import "strings"

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
