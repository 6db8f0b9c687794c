package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

const (
	// MaxParsedBytes is the file size in bytes above which a file is parsed statement by statement: a
	// parse tree takes up to a hundred times the size of the text.
	MaxParsedBytes = 256 << 10
	// MaxInMemoryBytes is the size up to which a file that cannot run in one transaction is held in
	// memory.
	MaxInMemoryBytes = 16 << 20
	// DefaultBatchBytes is the approximate size of the SQL that is sent in one round trip.
	DefaultBatchBytes = 1 << 20
)

// An Opener opens a file. It may be called more than once.
type Opener func() (io.ReadCloser, error)

// stream is the content of a script that is too large for memory. It is read once to classify the
// script, and again each time it runs.
type stream struct {
	Open  Opener
	count int // statements, without the file's own BEGIN and COMMIT
	// wrapped reports whether the first and last statements are BEGIN and COMMIT.
	wrapped                  bool
	startsWithSetTransaction bool // the first statement is SET TRANSACTION
	savepoints               bool // the script contains savepoints
	BatchBytes               int  // approximate number of bytes per round trip
	size                     int64
}

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

// WithFile opens a file, calls read and closes it.
func WithFile(name string, open Opener, read func(io.Reader) error) error {
	from, err := open()
	if err != nil {
		return fileError(name, err)
	}
	err = read(from)
	if closed := from.Close(); err == nil && closed != nil {
		return fileError(name, closed)
	}
	return err
}

// fileError converts an error to a *ScriptError with the file name.
func fileError(name string, err error) error {
	var (
		unusable *ScriptError
		system   syscall.Errno
		stopped  *sqlfile.InterruptedError
	)
	if errors.As(err, &system) || errors.As(err, &stopped) {
		return err // an error of the file system, not of the content
	}
	if !errors.As(err, &unusable) {
		return &ScriptError{File: name, Problem: err.Error()}
	}
	unusable.File = name
	return unusable
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
