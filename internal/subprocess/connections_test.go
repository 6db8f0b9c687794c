package subprocess

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestConnections_ProcessesOfGroup_Listed covers connections of the program's children, and
// an IPv4 address mapped to IPv6.
func TestConnections_ProcessesOfGroup_Listed(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("they are known on Linux only")
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	remote := netip.MustParseAddrPort(listener.Addr().String())
	const connect = `python3 -c 'import socket,sys; s = socket.socket(socket.AF_INET6); s.connect(("::ffff:127.0.0.1", %d)); s.recv(1)' & wait`
	c := shellCommand(t.TempDir(), fmt.Sprintf(connect, remote.Port()))
	var seen atomic.Pointer[Connection]
	c.Connections = func(now []Connection) {
		for _, conn := range now {
			if conn.Remote == remote {
				seen.Store(&conn)
			}
		}
	}
	done := make(chan struct{})
	go func() { defer close(done); _, _ = Run(t.Context(), c) }()
	peer, err := listener.Accept()
	require.NoError(t, err)
	require.Eventually(t, func() bool { return seen.Load() != nil }, time.Minute, 20*time.Millisecond)
	assert.Equal(t, peer.RemoteAddr().String(), seen.Load().Local.String())
	require.NoError(t, peer.Close())
	<-done
}
