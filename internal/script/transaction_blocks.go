package script

import (
	"slices"

	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// UncertainBlock returns the transaction block that begins with statement first, and reports whether
// the block may have been applied although the history table does not count it.
func (s *Script) UncertainBlock(first int) (TxBlock, bool) {
	i := slices.IndexFunc(s.txBlocks(), func(block TxBlock) bool { return block.First == first })
	if i < 0 {
		return TxBlock{}, false
	}
	block := s.txBlocks()[i]
	last := s.Statements[block.Last-1]
	switch {
	case !s.IsCountable(), s.IsReadOnly(), s.IsSingleStatement():
		return block, true
	case block.OpenAfter:
		return block, false // its COMMIT is counted
	case last.IsCommit:
		return block, false
	case last.Control != ControlNone:
		return block, last.Node.GetTransactionStmt().GetKind() == pgquery.TransactionStmtKind_TRANS_STMT_PREPARE
	}
	return block, block.Last-block.First == 1 && (last.RefusesTransaction || last.MayCommit || last.unparsed)
}

// A TxBlock is a transaction block: the statements that are sent as one query of a script that is
// not one transaction.
type TxBlock struct {
	First, Last int  // statements [first, last)
	OpenAfter   bool // a transaction is open after the block
	OpenBefore  bool // a transaction is open before the block
}

// txBlocks splits a script after the end of each of its transactions. Statements outside of them
// form an implicit transaction with the statements up to the next end, as when the whole file is
// one query. In an Autocommit script each statement is a block.
func (s *Script) txBlocks() []TxBlock {
	var out []TxBlock
	first, open := 0, false
	for i, st := range s.Statements {
		switch st.Control {
		case controlBegin:
			open = true
		case controlEnd:
			open = false
		}
		if s.Autocommit || st.Control == controlEnd || st.Control == controlChain || i == len(s.Statements)-1 {
			out = append(out, TxBlock{First: first, Last: i + 1, OpenAfter: open})
			first = i + 1
		}
	}
	return out
}

// RemainingBlocks returns the blocks after the first done statements; one block for a script that
// was changed to be one transaction.
func (s *Script) RemainingBlocks(done int) []TxBlock {
	var out []TxBlock
	for _, block := range s.txBlocks() {
		if block.Last > done {
			block.First = max(block.First, done)
			out = append(out, block)
		}
	}
	return out
}

// IsSingleStatement reports whether the script is a single statement that was sent in a transaction
// and turned out to refuse one; see executor.Apply.
func (s *Script) IsSingleStatement() bool { return s.Transactional && len(s.Statements) == 1 }

// IsReadOnly reports whether the script has a read-only transaction, in which nothing can be
// counted.
func (s *Script) IsReadOnly() bool {
	return slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.readOnly })
}

// IsCountable reports whether the statements of a script are counted. A script that changes the
// role is not countable, because the new role may lack privileges on the history table, and cannot
// resume.
func (s *Script) IsCountable() bool {
	return !slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.setsRole })
}
