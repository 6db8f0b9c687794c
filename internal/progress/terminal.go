package progress

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// What a terminal understands (ECMA-48; DEC's private mode 7 is the wrapping of lines).
//
// After the bar is drawn the cursor goes back to its first column. Where a terminal
// that was made narrower has broken the bar into two lines, the cursor is then still
// in the first of them, and what is erased from there on is all of the bar and
// nothing else.
const (
	eraseBar = "\r\x1b[J"
	barStart = "\r\x1b[?7l"
	barEnd   = "\x1b[J\x1b[?7h\r"
)

// Terminal is a terminal's standard error with a bar in its last line. What is
// written to it appears above the bar.
type Terminal struct {
	out   io.Writer
	width func() int

	mu      sync.Mutex
	bar     func(width int) string
	drawn   string
	midLine bool // the last line that was written has not ended: there is no place for a bar
}

// NewTerminal wraps a terminal; false if the file is none.
func NewTerminal(f *os.File) (*Terminal, bool) {
	fd := int(f.Fd())
	if _, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err != nil {
		return nil, false
	}
	return &Terminal{out: f, width: func() int { return widthOf(fd) }}, true
}

// defaultWidth is that of a terminal that does not know its own, as a serial line's.
const defaultWidth = 80

// widthOf is asked each time, because a window changes. It is 0 while we are in the
// background, where the line belongs to somebody else.
func widthOf(fd int) int {
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil && group != unix.Getpgrp() {
		return 0
	}
	if size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		return int(size.Col)
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return defaultWidth
}

// Draw shows the line that bar gives for a width; nil erases it.
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
	_, _ = io.WriteString(t.out, text) // who cannot see the bar has lost nothing
}

// text is what the bar says now.
func (t *Terminal) text() string {
	if t.bar == nil || t.midLine {
		return ""
	}
	width := t.width() - 1 // the last column would make some terminals begin the next line
	if width <= 0 {
		return ""
	}
	return t.bar(width)
}

// Write puts p above the bar, in one piece.
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

// Writer is for another stream that may lead to the same terminal: standard output.
func (t *Terminal) Writer(out io.Writer) io.Writer { return terminalWriter{t, out} }

type terminalWriter struct {
	t   *Terminal
	out io.Writer
}

func (b terminalWriter) Write(p []byte) (int, error) { return b.t.writeTo(b.out, p) }
