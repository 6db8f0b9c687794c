// Package subprocess runs and supervises a subprocess: it forwards signals, kills the subprocess
// if it does not stop in time, and terminates all processes of its process group.
//
// [Run] runs a [Command] and returns its [Exit], with the last lines of its output and those that
// look like an error. A [Connection] is one of the program's TCP connections. A [SharedOutput]
// keeps the program's lines apart from those of this process. migrator runs external tools with it,
// for cli.
package subprocess

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// A Command is a program to run.
type Command struct {
	Path string   // path of the executable
	Args []string // arguments, starting with the program name
	Env  []string // environment; nil for that of this process
	// Stdin is passed to the program. If it is a terminal, the program stays in the process
	// group of this process, so that job control and Ctrl-C work as usual.
	Stdin          *os.File
	Stdout, Stderr io.Writer // receive all output unchanged, and are flushed at its end if they have a Flush method
	// Grace is how long the program may take to exit after the first signal.
	Grace time.Duration
	// Connections, if not nil, is called with the program's TCP connections, periodically
	// while it runs and just before each signal, from one goroutine at a time.
	Connections func([]Connection)
	// Leftover, if not nil, is called if the program has exited and other processes of its
	// group have not, before they are terminated.
	Leftover func()
	// Signal returns the signal that stops the program, for the context's cause; nil means SIGTERM.
	Signal func(cause error) syscall.Signal
}

// An Exit is how a program ended.
type Exit struct {
	Code      int            // exit code; -1 if a signal ended it
	Signal    syscall.Signal // the signal that ended it, or 0
	StopCause error          // the context's cause, if the program was stopped
	Killed    bool           // reports whether it was killed after Grace
	Took      time.Duration
	// Last holds the last lines of its output, both streams interleaved; see lastLines.
	Last []string
	// Errors holds earlier lines that look like an error, with their detail lines.
	Errors []string
}

// signalLag is how long after the program this process may receive a signal that was sent to both.
const signalLag = 250 * time.Millisecond

const (
	// connectionsInterval is the interval at which a program's connections are read while it
	// runs, and connectionsStopInterval the interval after the stop signal.
	connectionsInterval     = time.Second
	connectionsStopInterval = 100 * time.Millisecond
)

// A process is a running program.
type process struct {
	Command
	cmd   *exec.Cmd
	group bool // it has its own process group
	done  chan error
}

// Run runs a program until it exits. When ctx ends, Run sends the stop signal, and after
// c.Grace it kills the program and its process group. Run returns an error only if the
// program could not be started.
func Run(ctx context.Context, c Command) (Exit, error) {
	p := &process{Command: c, group: !isTerminal(c.Stdin), done: make(chan error, 1)}
	p.cmd = &exec.Cmd{Path: c.Path, Args: c.Args, Env: c.Env, SysProcAttr: sysProcAttr(p.group)}
	if c.Stdin != nil { // an interface that contains a nil pointer is not nil
		p.cmd.Stdin = c.Stdin
	}
	var last lastLines
	out, err := newStreams(p.cmd, c.Stdout, c.Stderr, &last)
	if err != nil {
		return Exit{}, err
	}
	start := time.Now()
	if err := p.start(); err != nil {
		return Exit{}, fmt.Errorf("start: %w", out.abandon(err))
	}
	out.copy()
	exit, until := p.wait(ctx)
	p.endGroup(until)
	out.finish()
	exit.Took, exit.Last, exit.Errors = time.Since(start), last.lines(), last.errors()
	return exit, nil
}

// start keeps its OS thread until the program has exited: the parent-death signal is sent
// when the thread ends, not when the process ends (golang/go#27505).
func (p *process) start() error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.done <- p.cmd.Wait()
		}
		runtime.UnlockOSThread()
	}()
	return <-started
}

// wait also returns the time by which the whole process group must have ended.
func (p *process) wait(ctx context.Context) (exit Exit, until time.Time) {
	if p.waitForExit(ctx) {
		p.readConnections() // after the signal they may be closed while the server is still running the statement
		exit, until = p.stop(ctx)
	} else {
		until = time.Now().Add(p.Grace)
		if !p.group && !p.cmd.ProcessState.Success() {
			// A terminal sends Ctrl-C to both processes, and the program may be faster.
			select {
			case <-ctx.Done():
				exit.StopCause = context.Cause(ctx)
			case <-time.After(signalLag):
			}
		}
	}
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if exit.Code = p.cmd.ProcessState.ExitCode(); ok && status.Signaled() {
		exit.Signal = status.Signal()
	}
	return exit, until
}

// waitForExit waits for the program to exit, or for ctx, and reports whether it is still running.
func (p *process) waitForExit(ctx context.Context) bool {
	tick := time.NewTicker(connectionsInterval)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return false
		case <-ctx.Done():
			return true
		case <-tick.C:
			p.readConnections()
		}
	}
}

// stop sends the stop signal, and kills the program after its grace period.
func (p *process) stop(ctx context.Context) (exit Exit, until time.Time) {
	until = time.Now().Add(p.Grace)
	exit.StopCause = context.Cause(ctx)
	sig := syscall.SIGTERM
	if p.Signal != nil {
		sig = p.Signal(exit.StopCause)
	}
	if p.group || sig != syscall.SIGINT { // a terminal has already sent Ctrl-C to it
		p.signal(sig)
	}
	grace, tick := time.NewTimer(p.Grace), time.NewTicker(connectionsStopInterval)
	defer grace.Stop()
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return exit, until
		case <-tick.C:
			p.readConnections()
		case <-grace.C:
			exit.Killed = true
			p.readConnections()
			p.signal(syscall.SIGKILL)
			<-p.done
			return exit, until
		}
	}
}

// signal sends a signal to the whole group. It ignores processes that have already exited.
func (p *process) signal(sig syscall.Signal) {
	pid := p.cmd.Process.Pid
	if p.group {
		pid = -pid
	}
	_ = syscall.Kill(pid, sig)
}

// endGroup terminates the processes that the program has left in its group, because none
// may run after the lock is released.
func (p *process) endGroup(until time.Time) {
	if !p.group || p.groupEnded() {
		return
	}
	p.readConnections()
	if p.Leftover != nil {
		p.Leftover()
	}
	p.signal(syscall.SIGTERM)
	for ; time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if p.groupEnded() {
			return
		}
	}
	p.signal(syscall.SIGKILL)
}

// groupEnded reports whether the group has no processes left. A process that has exited
// stays in the group until its parent waits for it; in a container, that is this process
// if it is PID 1.
func (p *process) groupEnded() bool {
	group := -p.cmd.Process.Pid
	for {
		pid, err := syscall.Wait4(group, nil, syscall.WNOHANG, nil)
		if pid <= 0 || err != nil {
			break
		}
	}
	return syscall.Kill(group, 0) == syscall.ESRCH
}

// isTerminal reports whether f is a character device other than /dev/null.
func isTerminal(f *os.File) bool {
	if f == nil {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// readConnections calls Connections with the current connections of the program.
func (p *process) readConnections() {
	if p.Connections != nil {
		p.Connections(connections(p.cmd.Process.Pid, p.group))
	}
}
