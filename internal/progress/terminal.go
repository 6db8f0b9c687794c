package progress

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Control sequences of a terminal (ECMA-48; DEC private mode 7 is line wrapping).
//
// After the bar is drawn the cursor returns to its first column. If a terminal that was made
// narrower has broken the bar into two lines, the cursor is still in the first of them, and
// erasing from there removes the whole bar and nothing else.
const (
	eraseBar = "\r\x1b[J"
	barStart = "\r\x1b[?7l"
	barEnd   = "\x1b[J\x1b[?7h\r"
)

// A Terminal is a terminal's standard error with a bar in its last line. Output appears
// above the bar.
type Terminal struct {
	out   io.Writer
	width func() int

	mu      sync.Mutex
	bar     func(width int) string
	drawn   string
	midLine bool // the last line written has no newline yet, so there is no line for the bar
}

// NewTerminal returns a Terminal for a file, and false if the file is not a terminal.
func NewTerminal(f *os.File) (*Terminal, bool) {
	fd := int(f.Fd())
	if !term.IsTerminal(fd) {
		return nil, false
	}
	return &Terminal{out: f, width: func() int { return widthOf(fd) }}, true
}

// defaultWidth is the width of a terminal that does not report its own, such as a serial line.
const defaultWidth = 80

// widthOf returns the current width of the terminal, which changes with its window. It is 0
// while the process is in the background, where another process owns the last line.
func widthOf(fd int) int {
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil && group != unix.Getpgrp() {
		return 0
	}
	if width, _, err := term.GetSize(fd); err == nil && width > 0 {
		return width
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return defaultWidth
}

// Draw shows the line that bar returns for a width; nil erases it.
func (t *Terminal) Draw(bar func(width int) string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bar = bar
	text := t.text()
	switch {
	case text == t.drawn:
		return
	case text == "":
		text = eraseBar
	default:
		t.drawn = text
		text = barStart + text + barEnd
	}
	if text == eraseBar {
		t.drawn = ""
	}
	_, _ = io.WriteString(t.out, text) // a failure only hides the bar
}

// text returns the current text of the bar.
func (t *Terminal) text() string {
	if t.bar == nil || t.midLine {
		return ""
	}
	width := t.width() - 1 // some terminals start the next line after the last column
	if width <= 0 {
		return ""
	}
	return t.bar(width)
}

// Write writes p above the bar, without interruption.
func (t *Terminal) Write(p []byte) (int, error) { return t.writeTo(t.out, p) }

func (t *Terminal) writeTo(out io.Writer, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.drawn != "" {
		_, _ = io.WriteString(t.out, eraseBar)
		t.drawn = ""
	}
	n, err := out.Write(p)
	t.midLine = !bytes.HasSuffix(p, []byte{'\n'})
	if t.drawn = t.text(); t.drawn != "" {
		_, _ = io.WriteString(t.out, barStart+t.drawn+barEnd)
	}
	return n, err
}

// Writer returns a writer for another stream that may be the same terminal: standard output.
func (t *Terminal) Writer(out io.Writer) io.Writer { return terminalWriter{t, out} }

type terminalWriter struct {
	t   *Terminal
	out io.Writer
}

func (b terminalWriter) Write(p []byte) (int, error) { return b.t.writeTo(b.out, p) }
