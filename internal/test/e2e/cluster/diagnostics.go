package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/kind/pkg/log"
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

// A kindLog is kind's logger. It writes the steps to progress, and keeps all messages for diagnose.
type kindLog struct {
	progress io.Writer
	mu       sync.Mutex
	all      bytes.Buffer
}

func (j *kindLog) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.String()
}

func (j *kindLog) write(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintln(&j.all, strings.TrimRight(text, "\n"))
}

// Warn, Warnf, Error, Errorf and V implement log.Logger.
func (j *kindLog) Warn(message string)              { j.write(message) }
func (j *kindLog) Warnf(format string, args ...any) { j.write(fmt.Sprintf(format, args...)) }

func (j *kindLog) Error(message string)              { j.write(message) }
func (j *kindLog) Errorf(format string, args ...any) { j.write(fmt.Sprintf(format, args...)) }

func (j *kindLog) V(level log.Level) log.InfoLogger { return verbosity{j, level} }

type verbosity struct {
	kindLog *kindLog
	level   log.Level
}

func (v verbosity) Info(message string) {
	v.kindLog.write(message)
	if step := strings.TrimSpace(message); v.level == 0 && strings.HasPrefix(step, "✓") {
		fmt.Fprintf(v.kindLog.progress, "  %s\n", step)
	}
}

func (v verbosity) Infof(format string, args ...any) { v.Info(fmt.Sprintf(format, args...)) }

// Enabled reports whether the level is at most that of kubeadm's output.
func (v verbosity) Enabled() bool { return v.level <= 3 }
