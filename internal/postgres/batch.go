package postgres

import (
	"bytes"
	"sort"
	"strings"
)

// portion is what is sent in one go: statements as one query, or a COPY and its rows.
type batch struct {
	script      *Script
	first, last int // statements [first, last)
	from, to    int // of the script's SQL
	// rows calls send with the rows of a COPY, in chunks of whole lines without the
	// last line break; nil where it is a query.
	copyRows func(send func(chunk string) error) error
	line     int // of the first row, in the file
	// start and end are how many bytes of the file come before its rows, and up to its
	// end; 0 where nobody needs to know.
	start, end int64
}

// portions cuts the statements [first, last) of a script in memory, which stand at
// [from, to) of its SQL, at its COPYs.
func (s *Script) batches(first, last, from, to int) []batch {
	var out []batch
	for _, c := range s.copies {
		if c.statement < from || c.statement >= to {
			continue
		}
		at := s.statementAt(c.statement)
		if first < at || s.hasUnparsedText(from, c.statement) {
			out = append(out, batch{script: s, first: first, last: at, from: from, to: c.statement})
		}
		next := at
		if at < len(s.Statements) {
			next++
		}
		out = append(out, batch{script: s, first: at, last: next, from: c.statement, to: c.end, copyRows: s.copyChunks(c), line: c.line, start: int64(c.from)})
		first, from = next, min(c.after, to)
	}
	if len(out) == 0 || first < last || s.hasUnparsedText(from, to) {
		out = append(out, batch{script: s, first: first, last: last, from: from, to: to})
	}
	return out
}

// unread says that there is text at [from, to) whose statements the parser cannot tell.
func (s *Script) hasUnparsedText(from, to int) bool {
	return !s.Parsed && strings.TrimSpace(s.SQL[from:to]) != ""
}

// statementAt is the index of the first statement at or behind a place.
func (s *Script) statementAt(offset int) int {
	return sort.Search(len(s.Statements), func(i int) bool { return s.Statements[i].Offset >= offset })
}

// sendRows cuts the rows of a script in memory into chunks.
func (s *Script) copyChunks(c copyData) func(func(string) error) error {
	const chunk = 64 << 10
	return func(send func(string) error) error {
		for rest := s.Text[c.from:c.to]; rest != ""; {
			n := len(rest)
			if n > chunk {
				n = chunk + 1 + strings.IndexByte(rest[chunk:], '\n') // the last row has its line break, too
			}
			if err := send(rest[:n-1]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	}
}

// each calls send with the portions of a script that is one transaction.
func (s *Script) eachBatch(send func(batch) error) error {
	if s.stream != nil {
		return s.stream.eachBatch(s, send)
	}
	for _, p := range s.batches(0, len(s.Statements), 0, len(s.SQL)) {
		if err := send(p); err != nil {
			return err
		}
	}
	return nil
}

// takesLanguage says whether a statement of the portion may take plpgsql away.
func (p batch) mayDropPlpgsql() bool {
	for _, st := range p.script.Statements[p.first:p.last] {
		if st.mayDropPlpgsql {
			return true
		}
	}
	return false
}

// chunkOf is a piece's rows as sendRows gives them.
func trimChunk(text []byte) string { return string(bytes.TrimSuffix(text, []byte("\n"))) }
