package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// parseText reads the text of a file, replaces what is not SQL with spaces, and records COPY data.
func (s *Script) parseText(text []byte) error {
	r := sqlfile.NewReader(bytes.NewReader(text))
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	sql := bytes.Clone(text)
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		from, to := int(p.Offset), int(p.Offset)+len(p.Text)
		switch last := len(s.copies) - 1; p.Kind {
		case sqlfile.Statement:
			if p.CopyIn {
				s.copies = append(s.copies, copyData{statement: from + p.Start, end: to})
			}
			continue
		case sqlfile.Blank:
			continue
		case sqlfile.Rows:
			if s.copies[last].line == 0 {
				s.copies[last].from, s.copies[last].line = from, p.Line
			}
			s.copies[last].to = to
		case sqlfile.RowsEnd:
			s.copies[last].after = to
		}
		for i := from; i < to; i++ {
			if c := sql[i]; c != '\n' && c != '\r' {
				sql[i] = ' '
			}
		}
	}
	s.Text, s.SQL, s.Sum = string(text), string(sql), r.Sum()
	return nil
}

// checkCopy rejects COPY data that cannot be sent: lib/pq does not send binary data, and in a
// script that does not run in one transaction, COPY needs a transaction of its own.
func (s *Script) checkCopy() error {
	for _, c := range s.copies {
		i := slices.IndexFunc(s.Statements, func(st Statement) bool { return st.Offset == c.statement })
		if i < 0 {
			continue
		}
		st := s.Statements[i]
		if isBinaryCopy(st.Node) {
			return binaryCopyError(s.LineOf(st))
		}
		if !s.Transactional && !s.InTransaction(i) && !s.isTxBlock(i) {
			return &ScriptError{Line: s.LineOf(st), Problem: fmt.Sprintf("%s is between other statements and not in a transaction of the file; add BEGIN; before it and COMMIT; after its data", FirstWords(st.Text))}
		}
	}
	return nil
}

func binaryCopyError(line int) *ScriptError {
	return &ScriptError{Line: line, Problem: "COPY in binary format cannot have its data in a migration file; use text or CSV format"}
}

func isBinaryCopy(n *pgquery.Node) bool {
	for _, o := range n.GetCopyStmt().GetOptions() {
		if d := o.GetDefElem(); strings.EqualFold(d.GetDefname(), "format") && strings.EqualFold(d.GetArg().GetString_().GetSval(), "binary") {
			return true
		}
	}
	return false
}

// HasCopyData reports whether a statement is a COPY with data in the file.
func (s *Script) HasCopyData(st Statement) bool {
	return slices.ContainsFunc(s.copies, func(c copyData) bool { return c.statement == st.Offset })
}

// InTransaction reports whether a transaction of the script is open before statement i.
func (s *Script) InTransaction(i int) bool {
	open := false
	for _, st := range s.Statements[:i] {
		switch st.Control {
		case controlBegin, controlChain:
			open = true
		case controlEnd:
			open = false
		}
	}
	return open
}

// isTxBlock reports whether statement i is a transaction block of its own.
func (s *Script) isTxBlock(i int) bool {
	return slices.ContainsFunc(s.txBlocks(), func(block TxBlock) bool { return block.First == i && block.Last == i+1 })
}
