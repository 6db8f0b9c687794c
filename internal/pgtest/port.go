package pgtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// The ports for servers: below those that a kernel gives to whom any will do, so nobody gets one while its server is not
// started yet or restarts; and above those for clusters (internal/e2e/cluster).
const firstPort, ports = 20000, 12000

// FreePort is a port of loopback that was free a moment ago, for a program that wants to be told one.
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
