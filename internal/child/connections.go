package child

import (
	"net/netip"
	"time"
)

// Connection is an established TCP connection of a program. An IPv4 address that
// is mapped into IPv6, as Java has it, is an IPv4 address here.
type Connection struct {
	Local, Remote netip.AddrPort
	inode         string
}

const (
	// connectionsInterval is how often a program's connections are read while it runs,
	// and connectionsStopInterval how often from when it was asked to end.
	connectionsInterval     = time.Second
	connectionsStopInterval = 100 * time.Millisecond
)

// readConnections passes on what connections the program has at this moment.
func (p *process) readConnections() {
	if p.Connections != nil {
		p.Connections(connections(p.cmd.Process.Pid, p.group))
	}
}
