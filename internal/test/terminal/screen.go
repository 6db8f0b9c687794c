package terminal

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// A screen interprets the escape sequences that the migrator sends. It prints an unknown sequence as
// text, so that a test fails.
type screen struct {
	mu       sync.Mutex
	columns  int
	rows     []row
	row, col int // the cursor's position
	noWrap   bool
	pending  []byte // an incomplete sequence or character
	all      []byte
}

// A row is a line of the screen. continuesRow reports whether it continues the row above.
type row struct {
	text         []rune
	continuesRow bool
}

func (s *screen) write(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, p...)
	s.pending = append(s.pending, p...)
	for len(s.pending) > 0 {
		n := s.take(s.pending)
		if n == 0 {
			return
		}
		s.pending = s.pending[n:]
	}
}

// take interprets the first character or sequence and returns its length, or 0 if it is incomplete.
func (s *screen) take(p []byte) int {
	switch p[0] {
	case '\r':
		s.col = 0
		return 1
	case '\n':
		s.down(false)
		return 1
	case 0x1b:
		end := slices.IndexFunc(p, func(c byte) bool { return c >= '@' && c <= '~' && c != '[' })
		if end < 0 {
			return 0
		}
		s.sequence(string(p[:end+1]))
		return end + 1
	}
	if !utf8.FullRune(p) {
		return 0
	}
	r, n := utf8.DecodeRune(p)
	if r < ' ' {
		s.put([]rune(fmt.Sprintf("^%c", r+'@'))...)
		return n
	}
	s.put(r)
	return n
}

func (s *screen) sequence(seq string) {
	if strings.HasSuffix(seq, "m") {
		return // color
	}
	switch seq {
	case "\x1b[J":
		s.line()
		s.rows = s.rows[:s.row+1]
		fallthrough
	case "\x1b[K":
		line := s.line()
		line.text = line.text[:min(s.col, len(line.text))]
	case "\x1b[?7l", "\x1b[?7h":
		s.noWrap = seq == "\x1b[?7l"
	default:
		s.put([]rune(fmt.Sprintf("<unknown sequence %q>", seq))...)
	}
}

func (s *screen) put(text ...rune) {
	for _, r := range text {
		if s.col >= s.columns {
			if s.noWrap {
				s.col = s.columns - 1
			} else {
				s.col = 0
				s.down(true)
			}
		}
		line := s.line()
		for len(line.text) <= s.col {
			line.text = append(line.text, ' ')
		}
		line.text[s.col] = r
		s.col++
	}
}

func (s *screen) down(continuesRow bool) {
	s.row++
	s.line().continuesRow = continuesRow
}

func (s *screen) line() *row {
	for len(s.rows) <= s.row {
		s.rows = append(s.rows, row{})
	}
	return &s.rows[s.row]
}

// resize wraps rows that are too long. The cursor stays on its character.
func (s *screen) resize(columns int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.columns = columns
	var out []row
	at := s.row
	for i, r := range s.rows {
		if i == s.row {
			at = len(out) + s.col/columns
		}
		for len(r.text) > columns {
			out = append(out, row{text: slices.Clone(r.text[:columns]), continuesRow: r.continuesRow})
			r = row{text: r.text[columns:], continuesRow: true}
		}
		out = append(out, row{text: slices.Clone(r.text), continuesRow: r.continuesRow})
	}
	s.rows, s.row, s.col = out, at, s.col%columns
}

func (s *screen) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.rows {
		if r.continuesRow && len(out) > 0 {
			out[len(out)-1] += string(r.text)
			continue
		}
		out = append(out, string(r.text))
	}
	for i := range out {
		out[i] = strings.TrimRight(out[i], " ")
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

func (s *screen) sent() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.all)
}
