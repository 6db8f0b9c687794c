package tcp

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// Answer starts a server that answers the first data of each connection with the same bytes, and
// returns its address, host:port. It runs until the test ends.
func Answer(t testing.TB, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 8))
				_, _ = io.WriteString(c, answer)
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	return l.Addr().String()
}
