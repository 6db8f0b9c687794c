package github

import (
	"bytes"
	"io"
	"sync"
)

// A filter writes its input with a space inserted into each workflow command that the
// GitHub Actions runner would execute: "::" with only white space before it in the line
// (.NET's white space; every non-ASCII character counts as white space here), and "##["
// anywhere (actions/runner, ActionCommand.cs; its lines end with \n, \r\n or \r). It leaves
// ::add-mask:: unchanged: that command only hides text, and escaping it would show a tool's
// secret.
type filter struct {
	mu          sync.Mutex
	to          io.Writer
	pending     []byte // the start of a line that may be ::add-mask::
	notCommand  bool   // the line cannot be a command
	lineStarted bool   // the line is not empty
	hashes      int
	colon       bool
}

const addMask = "::add-mask::"

func (f *filter) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out bytes.Buffer
	for _, c := range p {
		f.process(&out, c)
	}
	if _, err := f.to.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// process holds back bytes that may become an add-mask command.
func (f *filter) process(out *bytes.Buffer, c byte) {
	if !f.notCommand && (len(f.pending) > 0 || c == ':' && !f.colon) {
		f.pending = append(f.pending, c)
		switch {
		case string(bytes.ToLower(f.pending)) == addMask:
			out.Write(f.pending)
			f.pending, f.notCommand, f.lineStarted = nil, true, true
		case !bytes.HasPrefix([]byte(addMask), bytes.ToLower(f.pending)):
			f.flush(out)
		}
		return
	}
	f.escape(out, c)
}

func (f *filter) flush(out *bytes.Buffer) {
	held := f.pending
	f.pending = nil
	for _, c := range held {
		f.escape(out, c)
	}
}

// escape inserts a space into commands.
func (f *filter) escape(out *bytes.Buffer, c byte) {
	if f.colon && c == ':' || f.hashes >= 2 && c == '[' {
		out.WriteByte(' ')
	}
	f.colon = c == ':' && !f.notCommand
	if f.hashes++; c != '#' {
		f.hashes = 0
	}
	switch {
	case c == '\n' || c == '\r':
		f.notCommand, f.lineStarted = false, false
	default:
		f.lineStarted = true
		f.notCommand = f.notCommand || c > ' ' && c < 0x80 && c != ':'
	}
	out.WriteByte(c)
}

// command writes a workflow command on a separate line.
func (f *filter) command(line string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out bytes.Buffer
	f.flush(&out)
	if f.lineStarted {
		out.WriteByte('\n')
	}
	f.notCommand, f.lineStarted, f.colon, f.hashes = false, false, false, 0
	out.WriteString(line + "\n")
	_, err := f.to.Write(out.Bytes())
	return err
}

// Close writes the bytes that are held back.
func (f *filter) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out bytes.Buffer
	f.flush(&out)
	_, err := f.to.Write(out.Bytes())
	return err
}
