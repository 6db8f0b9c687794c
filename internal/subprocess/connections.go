package subprocess

import (
	"net/netip"
	"time"
)

// A Connection is an established TCP connection of a program. An IPv4 address mapped to
// IPv6, as Java uses, is converted to an IPv4 address.
type Connection struct {
	Local, Remote netip.AddrPort
	inode         string
}

const (
	// connectionsInterval is the interval at which a program's connections are read while it
	// runs, and connectionsStopInterval the interval after the stop signal.
	connectionsInterval     = time.Second
	connectionsStopInterval = 100 * time.Millisecond
)

// readConnections calls Connections with the current connections of the program.
func (p *process) readConnections() {
	if p.Connections != nil {
		p.Connections(connections(p.cmd.Process.Pid, p.group))
	}
}
