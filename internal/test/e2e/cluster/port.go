package cluster

import (
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"time"
)

// The ports for the clusters' API servers are below the kernel's ephemeral ports and below those for the tests' database servers
// (internal/test/pgtest).
const firstPort, ports = 12000, 8000

// apiPort returns the port on loopback for a cluster's API server; with 0, kind chooses it.
//
// kind chooses any free port. Podman forwards it to the node with a firewall rule, which exists before a process listens on
// the port, and remains if podman's process for the node is killed. Meanwhile the kernel can assign the same port to a listener of a test,
// whose connections are then refused. The kernel does not assign ports of this range. The first port depends on the
// name, so that clusters that are created concurrently differ.
func apiPort(name string) int32 {
	if low := lowestGiven(); low < firstPort+ports {
		return 0
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name))
	for i := range uint32(100) {
		if port := int32(firstPort + (hash.Sum32()+i)%ports); isFree(port) {
			return port
		}
	}
	return 0
}

// lowestGiven returns the lowest ephemeral port of the kernel, or 0 if it is unknown.
func lowestGiven() (low int) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		_, _ = fmt.Sscan(string(text), &low)
	}
	return low
}

// isFree reports whether the process can listen on a port and get its connections, without a rule that forwards them.
func isFree(port int32) bool {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	if err != nil {
		return false
	}
	defer l.Close()
	caller, err := net.DialTimeout("tcp", l.Addr().String(), 5*time.Second)
	if err != nil {
		return false
	}
	defer caller.Close()
	_ = l.SetDeadline(time.Now().Add(5 * time.Second))
	called, err := l.Accept()
	if err != nil {
		return false
	}
	defer called.Close()
	return called.RemoteAddr().String() == caller.LocalAddr().String()
}
