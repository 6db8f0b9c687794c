package subprocess

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// connections returns the established TCP connections of a process, of its descendants,
// and of its process group if it has its own.
func connections(root int, group bool) []Connection {
	var out []Connection
	sockets, tables := map[string]bool{}, map[string]bool{}
	for _, pid := range processesOf(root, group) {
		if !addSockets(pid, sockets) {
			continue
		}
		space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err != nil || tables[space] {
			continue
		}
		tables[space] = true
		for _, table := range []string{"tcp", "tcp6"} {
			out = append(out, readTable(fmt.Sprintf("/proc/%d/net/%s", pid, table))...)
		}
	}
	kept := out[:0]
	for _, c := range out {
		if sockets[c.inode] {
			kept = append(kept, c)
		}
	}
	return kept
}

// processesOf returns the processes that belong to the program.
func processesOf(root int, group bool) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	parents, groups := map[int]int{}, map[int]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		parents[pid], groups[pid] = parentAndGroup(pid)
	}
	var out []int
	for pid := range parents {
		belongs := group && groups[pid] == root
		for up, steps := pid, 0; !belongs && up > 1 && steps < 64; up, steps = parents[up], steps+1 {
			belongs = up == root
		}
		if belongs {
			out = append(out, pid)
		}
	}
	return out
}

// parentAndGroup returns the parent and the process group of a process (proc(5), "stat").
func parentAndGroup(pid int) (parent, group int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	// The program name, in parentheses, may contain any character.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 3 {
		return 0, 0
	}
	parent, _ = strconv.Atoi(fields[1])
	group, _ = strconv.Atoi(fields[2])
	return parent, group
}

// addSockets adds the inodes of a process's sockets to a set, and reports whether it has any.
func addSockets(pid int, to map[string]bool) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	found := false
	for _, e := range entries {
		link, err := os.Readlink(dir + "/" + e.Name())
		if inode, ok := strings.CutPrefix(link, "socket:["); err == nil && ok {
			to[strings.TrimSuffix(inode, "]")] = true
			found = true
		}
	}
	return found
}

// established is the state in /proc/net/tcp (include/net/tcp_states.h).
const established = "01"

func readTable(path string) []Connection {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []Connection
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != established {
			continue
		}
		local, ok := parseEndpoint(fields[1])
		remote, there := parseEndpoint(fields[2])
		if ok && there {
			out = append(out, Connection{Local: local, Remote: remote, inode: fields[9]})
		}
	}
	return out
}

// parseEndpoint parses "0100007F:1F90". The address consists of words in the host's byte order.
func parseEndpoint(s string) (netip.AddrPort, bool) {
	address, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(address)
	number, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(number)), ok
}
