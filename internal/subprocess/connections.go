package subprocess

import "net/netip"

// A Connection is an established TCP connection of a program. An IPv4 address mapped to
// IPv6, as Java uses, is converted to an IPv4 address.
type Connection struct {
	Local, Remote netip.AddrPort
	inode         string
}
