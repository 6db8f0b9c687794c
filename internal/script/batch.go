package script

import (
	"bytes"
	"slices"
	"sort"
	"strings"
)

// A Batch is sent in one round trip: statements as one query, or a COPY and its data.
type Batch struct {
	Script      *Script
	First, Last int // statements [first, last)
	From, To    int // byte range of the script's SQL
	// CopyRows calls send with the data of a COPY, in chunks of whole lines without the final line
	// break; nil for a query.
	CopyRows func(send func(chunk string) error) error
	Line     int // line of the first row in the file
	// Start is the number of bytes of the file before the COPY data and end the number up to the
	// end of the batch; 0 if not used.
	Start, End int64
}

// Batches splits the statements [first, last) of a script in memory, which occupy [from, to) of its
// SQL, at every COPY.
func (s *Script) Batches(first, last, from, to int) []Batch {
	var out []Batch
	for _, c := range s.copies {
		if c.statement < from || c.statement >= to {
			continue
		}
		at := s.statementAt(c.statement)
		if first < at || s.hasUnparsedText(from, c.statement) {
			out = append(out, Batch{Script: s, First: first, Last: at, From: from, To: c.statement})
		}
		next := at
		if at < len(s.Statements) {
			next++
		}
		out = append(out, Batch{Script: s, First: at, Last: next, From: c.statement, To: c.end, CopyRows: s.copyChunks(c), Line: c.line, Start: int64(c.from)})
		first, from = next, min(c.after, to)
	}
	if len(out) == 0 || first < last || s.hasUnparsedText(from, to) {
		out = append(out, Batch{Script: s, First: first, Last: last, From: from, To: to})
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

// MayDropPlpgsql reports whether a statement of the batch may drop the plpgsql language.
func (b Batch) MayDropPlpgsql() bool {
	return slices.ContainsFunc(b.Script.Statements[b.First:b.Last], func(st Statement) bool { return st.MayDropPlpgsql })
}

// trimChunk returns COPY data in the form that copyChunks uses.
func trimChunk(text []byte) string { return string(bytes.TrimSuffix(text, []byte("\n"))) }
