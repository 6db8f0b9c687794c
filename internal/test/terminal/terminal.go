// Package terminal provides pseudo-terminals for tests, with the text on their screens.
package terminal

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
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
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	device, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
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
	require.NoError(t, unix.IoctlSetWinsize(int(p.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)}))
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
