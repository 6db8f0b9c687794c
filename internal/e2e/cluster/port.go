package cluster

import (
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"time"
)

// The ports for the clusters' API servers: below those that a kernel gives to whom any will do, and those for the tests'
// database servers (internal/pgtest).
const firstPort, ports = 12000, 8000

// apiPort is the port on loopback for the API server of the cluster of that name; 0 lets kind choose.
//
// kind takes any port that is free. podman then turns it towards the node with a rule of the firewall, which is there
// before somebody listens on the port and stays when the node's keeper was killed. In that time the kernel gives the
// same port to a listener of a test, which nobody reaches: "connection refused", though it listens. The kernel never
// gives away one from here. A name always has the same one first, so two clusters that are made at once differ.
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

// lowestGiven is the lowest port that the kernel gives away by itself, or 0 where it does not say.
func lowestGiven() (low int) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		_, _ = fmt.Sscan(string(text), &low)
	}
	return low
}

// isFree says whether we can listen on a port, and who connects to it comes to us and not by a rule to somebody else.
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
