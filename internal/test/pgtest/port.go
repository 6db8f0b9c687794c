package pgtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// The ports for servers are below the kernel's ephemeral ports, so that no other program gets one before its server starts or
// while it restarts, and above those for clusters (internal/test/e2e/cluster).
const firstPort, ports = 20000, 12000

// FreePort returns a port of loopback that was free a moment ago.
func FreePort() (int, error) {
	var last error
	for range 100 {
		port := firstPort + rand.IntN(ports)
		l, err := net.Listen("tcp", fmt.Sprint(host, ":", port))
		if err == nil {
			return port, l.Close()
		}
		last = err
	}
	return 0, errors.Join(fmt.Errorf("no free port found between %d and %d", firstPort, firstPort+ports), last)
}

const host = "127.0.0.1"
