package postgres

import (
	"bytes"
	"sort"
	"strings"
)

// A batch is sent in one round trip: statements as one query, or a COPY and its data.
type batch struct {
	script      *Script
	first, last int // statements [first, last)
	from, to    int // byte range of the script's SQL
	// copyRows calls send with the data of a COPY, in chunks of whole lines without the final line
	// break; nil for a query.
	copyRows func(send func(chunk string) error) error
	line     int // line of the first row in the file
	// start is the number of bytes of the file before the COPY data and end the number up to the
	// end of the batch; 0 if not used.
	start, end int64
}

// batches splits the statements [first, last) of a script in memory, which occupy [from, to) of its
// SQL, at every COPY.
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

// hasUnparsedText reports whether the parser could not split the text at [from, to).
func (s *Script) hasUnparsedText(from, to int) bool {
	return !s.Parsed && strings.TrimSpace(s.SQL[from:to]) != ""
}

// statementAt returns the index of the first statement at or after an offset.
func (s *Script) statementAt(offset int) int {
	return sort.Search(len(s.Statements), func(i int) bool { return s.Statements[i].Offset >= offset })
}

// copyChunks splits the COPY data of a script in memory into chunks.
func (s *Script) copyChunks(c copyData) func(func(string) error) error {
	const chunk = 64 << 10
	return func(send func(string) error) error {
		for rest := s.Text[c.from:c.to]; rest != ""; {
			n := len(rest)
			if n > chunk {
				n = chunk + 1 + strings.IndexByte(rest[chunk:], '\n') // includes the line break of the last row
			}
			if err := send(rest[:n-1]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	}
}

// eachBatch calls send with every batch of a script that runs in one transaction.
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

// mayDropPlpgsql reports whether a statement of the batch may drop the plpgsql language.
func (p batch) mayDropPlpgsql() bool {
	for _, st := range p.script.Statements[p.first:p.last] {
		if st.mayDropPlpgsql {
			return true
		}
	}
	return false
}

// trimChunk returns COPY data in the form that copyChunks uses.
func trimChunk(text []byte) string { return string(bytes.TrimSuffix(text, []byte("\n"))) }
