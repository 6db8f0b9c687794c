package cluster

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A host has the properties that podman's defaults may not fit.
type host struct {
	mayRaiseLimits bool   // CAP_SYS_RESOURCE
	files, procs   uint64 // hard limits
	hybrid         bool   // cgroup v1 with controllers left in the v2 tree, which crun refuses
	runc           bool   // runc is installed
}

// configurePodman sets CONTAINERS_CONF of this process and its children to a configuration that works on this host,
// unless the caller set it.
func configurePodman() error {
	if os.Getenv("CONTAINERS_CONF") != "" {
		return nil
	}
	here, err := inspectHost()
	if err != nil {
		return err
	}
	text := containersConf(here)
	if text == "" {
		return nil
	}
	path := filepath.Join(CacheDir(), "containers.conf")
	if err := replaceFile(path, []byte(text)); err != nil {
		return err
	}
	return os.Setenv("CONTAINERS_CONF", path)
}

// containersConf returns the configuration for a host, or "" if podman's defaults work.
func containersConf(h host) string {
	var b strings.Builder
	if !h.mayRaiseLimits {
		// Podman requests higher limits, which the kernel rejects, as it does the whole of a hard nproc. A part of
		// it is enough for one node.
		fmt.Fprintf(&b, "[containers]\ndefault_ulimits = [\"nofile=%d:%d\", \"nproc=%d:%d\"]\n",
			h.files, h.files, min(h.procs/2, 32768), min(h.procs/2, 32768))
	}
	if !h.mayRaiseLimits || h.hybrid {
		b.WriteString("[engine]\nevents_logger = \"file\"\n")
	}
	if h.hybrid && h.runc {
		b.WriteString("runtime = \"runc\"\n")
	}
	return b.String()
}

func inspectHost() (host, error) {
	h := host{}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return h, err
	}
	h.mayRaiseLimits = os.Geteuid() != 0 || hasCapability(string(status), unix.CAP_SYS_RESOURCE)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return h, err
	}
	h.files = limit.Max
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
		return h, err
	}
	h.procs = limit.Max
	controllers, _ := os.ReadFile("/sys/fs/cgroup/unified/cgroup.controllers")
	h.hybrid = len(bytes.TrimSpace(controllers)) > 0
	_, err = exec.LookPath("runc")
	h.runc = err == nil
	return h, nil
}

// hasCapability reports whether the effective set of a /proc/PID/status has a capability.
func hasCapability(status string, bit uint) bool {
	for line := range strings.Lines(status) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return err == nil && set&(1<<bit) != 0
		}
	}
	return false
}
