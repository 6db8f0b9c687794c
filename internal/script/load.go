package script

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// Load reads a file: a small one with the parser, a large one that can run in one transaction as a
// stream. Errors are *ScriptError.
func Load(name string, from io.Reader, open Opener) (*Script, error) {
	text, err := io.ReadAll(io.LimitReader(from, MaxStoredSQL+1))
	whole := len(text) <= MaxStoredSQL
	if err == nil && !whole && open == nil { // the file cannot be read twice
		var rest []byte
		rest, err = io.ReadAll(from)
		text, whole = append(text, rest...), true
	}
	switch {
	case err != nil:
		return nil, fileError(name, err)
	case !whole:
		return ScanFile(name, open)
	case len(text) <= MaxParsedBytes:
		return ParseFile(name, text)
	}
	s, err := ScanFile(name, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil })
	if err == nil && s.Stream != nil {
		s.Text = strings.TrimPrefix(string(text), "\ufeff") // for the history table
	}
	return s, err
}

// LoadFile opens and loads a file.
func LoadFile(name string, open Opener) (*Script, error) {
	var s *Script
	err := WithFile(name, open, func(from io.Reader) (err error) {
		s, err = Load(name, from, open)
		return err
	})
	return s, err
}

// ScanFile reads a large file and classifies it.
func ScanFile(name string, open Opener) (*Script, error) {
	s := &Script{Name: name, Begin: "BEGIN", Transactional: true, Parsed: true, Stream: &stream{Open: open, BatchBytes: DefaultBatchBytes}}
	scan := scanner{script: s}
	if err := WithFile(name, open, scan.read); err != nil {
		return nil, err
	}
	obstacle := scan.end()
	switch {
	case obstacle == nil:
		return s, nil
	case scan.size > MaxInMemoryBytes:
		obstacle.Problem += fmt.Sprintf("; a file of more than %d MB must run in one transaction: move that statement to a separate migration", MaxInMemoryBytes>>20)
		return nil, fileError(name, obstacle)
	}
	err := WithFile(name, open, func(from io.Reader) error {
		text, err := io.ReadAll(from)
		if err == nil {
			s, err = splitFile(name, text, scan.script.Directives)
		}
		if err != nil {
			return fileError(name, err)
		}
		return nil
	})
	return s, err
}

// splitFile returns a script for a large file that is held in memory.
func splitFile(name string, text []byte, directives sqlfile.Directives) (*Script, error) {
	s := &Script{Name: name, Begin: "BEGIN", Directives: directives}
	if err := s.parseText(text); err != nil {
		return nil, err
	}
	err := ReadStatements(bytes.NewReader(text), func(p sqlfile.Piece) {
		st, _ := parseIfRelevant(p)
		st.Offset = int(p.Offset) + p.Start
		st.Text = TrimSemicolon(s.SQL[st.Offset : int(p.Offset)+len(p.Text)])
		s.Statements = append(s.Statements, st)
	})
	if err != nil {
		return nil, err
	}
	return s, s.classify()
}

// LoadStatements loads a streamed script into memory, so that its remaining statements can be run
// one by one.
func (s *Script) LoadStatements() error {
	if s.Stream == nil {
		if !s.Parsed {
			return &ScriptError{File: s.Name, Problem: "it is partially applied, and its current content cannot be parsed, so the remaining statements cannot be determined"}
		}
		return nil
	}
	var text []byte
	err := WithFile(s.Name, s.Stream.Open, func(from io.Reader) (err error) {
		if text, err = io.ReadAll(io.LimitReader(from, MaxInMemoryBytes+1)); err == nil && len(text) > MaxInMemoryBytes {
			err = fmt.Errorf("it is partially applied, and is now larger than %d MB, so the remaining statements cannot be determined", MaxInMemoryBytes>>20)
		}
		return err
	})
	if err != nil {
		return fileError(s.Name, err)
	}
	held, err := splitFile(s.Name, text, s.Directives)
	if err != nil {
		return fileError(s.Name, err)
	}
	held.Sum = s.Sum
	*s = *held
	return nil
}
