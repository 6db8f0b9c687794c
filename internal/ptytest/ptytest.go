// Package ptytest gives tests a real pseudo-terminal, and shows what is on its screen.
package ptytest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Terminal is a pseudo-terminal with somebody in front of it.
type Terminal struct {
	// Device is what a program has for its terminal.
	Device *os.File
	master *os.File
	screen screen
	done   chan struct{}
}

// New opens a terminal of so many columns and rows. It goes when the test ends.
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

// Resize changes the window. Lines that are too long for it are broken, as most terminals do it today.
func (p *Terminal) Resize(t testing.TB, columns, rows int) {
	t.Helper()
	p.screen.resize(columns)
	require.NoError(t, unix.IoctlSetWinsize(int(p.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)}))
}

// Type is what somebody types.
func (p *Terminal) Type(t testing.TB, keys string) {
	t.Helper()
	_, err := p.master.WriteString(keys)
	require.NoError(t, err)
}

// Screen is what is to be seen, line by line, without the empty ones at its end. Nothing scrolls away.
func (p *Terminal) Screen() []string { return p.screen.lines() }

// Text is Screen in one.
func (p *Terminal) Text() string { return strings.Join(p.Screen(), "\n") }

// Sent is all that has been written to the terminal.
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
