package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// diagnose writes the logs of a failed cluster to a file, and returns err with their last lines. It has its own
// timeout, because the caller's may have expired.
func (c *Cluster) diagnose(err error, kindLog *kindLog) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var all, end strings.Builder
	fmt.Fprintf(&all, "== kind\n%s\n", kindLog)
	for _, source := range [][]string{
		{"logs", "--tail", "200", c.node()},
		{"exec", c.node(), "journalctl", "--no-pager", "--lines=300", "--unit=containerd"},
		{"exec", c.node(), "journalctl", "--no-pager", "--lines=300", "--unit=kubelet"},
		{"exec", c.node(), "sh", "-c", "tail -n 40 /var/log/pods/*/*/*.log"},
	} {
		out, readErr := exec.CommandContext(ctx, c.Engine.Name, source...).CombinedOutput()
		fmt.Fprintf(&all, "== %s %s\n%s\n", c.Engine.Name, strings.Join(source, " "), out)
		if readErr == nil {
			fmt.Fprintf(&end, "== %s\n%s", source[len(source)-1], excerpt(string(out)))
		}
	}
	path := filepath.Join(c.dir(), "failure.log")
	if writeErr := replaceFile(path, []byte(all.String())); writeErr != nil {
		path = writeErr.Error()
	}
	return fmt.Errorf("%w\n%s(full logs: %s)", err, end.String(), path)
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

// excerpt returns the last lines of a log, shortened and without escape sequences.
func excerpt(text string) string {
	var b strings.Builder
	for line := range strings.Lines(tail(escapes.ReplaceAllString(text, ""), 8)) {
		line = strings.TrimSpace(line)
		fmt.Fprintln(&b, line[:min(len(line), 300)])
	}
	return b.String()
}
