package cluster

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"sigs.k8s.io/kind/pkg/log"
)

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
