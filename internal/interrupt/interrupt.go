// Package interrupt has the causes of a context that ended a run: a [SignalError] and a
// [TimeoutError]. cmd/migrator and cli set them; exectool forwards the signal to its tool, and report
// derives the exit code from them.
package interrupt

import (
	"cmp"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A TimeoutError is the cause of a context whose deadline was exceeded.
type TimeoutError struct {
	Limit time.Duration
	// Setting is the flag or variable that sets the limit, for the message; it may be empty.
	Setting string
}

func (e *TimeoutError) Error() string {
	if e.Setting == "" {
		return fmt.Sprintf("timed out after %s", e.Limit)
	}
	return fmt.Sprintf("timed out after %s (%s)", e.Limit, e.Setting)
}

// A SignalError is the cause of a context that was canceled by a signal.
type SignalError struct{ Signal os.Signal }

func (e *SignalError) Error() string {
	if e.Signal == nil {
		return "stopped by a signal"
	}
	if n, ok := e.Signal.(syscall.Signal); ok {
		return "stopped by " + SignalName(n)
	}
	return "stopped by signal: " + e.Signal.String()
}

// SignalName returns the name of a signal, such as SIGTERM, or its number if it has none.
func SignalName(s syscall.Signal) string {
	return cmp.Or(unix.SignalName(s), fmt.Sprintf("signal %d", s))
}
