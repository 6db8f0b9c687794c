// Package terminal provides pseudo-terminals for tests, with the text on their screens. A Terminal
// is opened by github.com/creack/pty; its screen interprets only the escape sequences that the
// migrator sends, so that a test notices another one. The tests of the progress bar use it.
package terminal

import (
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// A Terminal is a pseudo-terminal with a screen and a keyboard.
type Terminal struct {
	// Device is the terminal device of the program under test.
	Device *os.File
	master *os.File
	screen screen
	done   chan struct{}
}

// New opens a terminal with a number of columns and rows. It is closed when the test ends.
func New(t testing.TB, columns, rows int) *Terminal {
	t.Helper()
	master, device, err := pty.Open()
	require.NoError(t, err)
	p := &Terminal{Device: device, master: master, done: make(chan struct{})}
	p.Resize(t, columns, rows)
	go p.watch()
	t.Cleanup(func() {
		_ = device.Close()
		_ = master.Close()
		<-p.done
	})
	return p
}

// Resize changes the window's size and wraps lines that are too long for it, as most terminals do.
func (p *Terminal) Resize(t testing.TB, columns, rows int) {
	t.Helper()
	p.screen.resize(columns)
	require.NoError(t, pty.Setsize(p.master, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}))
}

// Type sends keys to the program.
func (p *Terminal) Type(t testing.TB, keys string) {
	t.Helper()
	_, err := p.master.WriteString(keys)
	require.NoError(t, err)
}

// Screen returns the lines on the screen without empty lines at the end. Lines do not scroll off.
func (p *Terminal) Screen() []string { return p.screen.lines() }

// Text returns the lines of Screen as one text.
func (p *Terminal) Text() string { return strings.Join(p.Screen(), "\n") }

// Sent returns all bytes that were written to the terminal.
func (p *Terminal) Sent() string { return p.screen.sent() }

func (p *Terminal) watch() {
	defer close(p.done)
	buf := make([]byte, 4096)
	for {
		n, err := p.master.Read(buf)
		p.screen.write(buf[:n])
		if err != nil {
			return
		}
	}
}
