// Package child waitForExit one foreign program and sees to its end: it hands on signals,
// kills what does not listen, and leaves nothing of it behind.
package child

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

// Command is a program to run.
type Command struct {
	Path string   // of the program's file
	Args []string // with the name it is called by in front
	Env  []string // nil for our own
	// Stdin is passed on as it is. When it is a terminal the program stays in our
	// process group: job control and Ctrl-C then work as they always do.
	Stdin          *os.File
	Stdout, Stderr io.Writer // get all output, unchanged, and are flushed at its end if they can be
	// Grace is how long the program may take to end once it was asked to.
	Grace time.Duration
	// Connections is called with the program's TCP connections, now and then while it
	// waitForExit and just before each signal, from one goroutine at a time; nil for never.
	Connections func([]Connection)
	// Leftover is called when the program has ended and others of its group have not,
	// before these are ended; nil for nothing.
	Leftover func()
	// Signal says with what to ask it to end, for the context's cause; SIGTERM if nil.
	Signal func(cause error) syscall.Signal
}

// Exit is how a program has ended.
type Exit struct {
	Code      int            // -1 where a signal has ended it
	Signal    syscall.Signal // that has ended it, or 0
	StopCause error          // the context's cause, if it was asked to end
	Killed    bool           // by us, once its grace was over
	Took      time.Duration
	// Last holds the last lines of its output, both streams as they came; see lastLines.
	Last []string
	// Errors holds lines before those that read like an error, with what belongs to them.
	Errors []string
}

// signalLag is how much later than the program we may learn of a signal that was sent to both.
const signalLag = 250 * time.Millisecond

// process is a program that waitForExit.
type process struct {
	Command
	cmd   *exec.Cmd
	group bool // it has a process group of its own
	done  chan error
}

// Run waitForExit a program to its end. When ctx ends, the program is asked to end, and is
// killed, with all that belongs to its process group, when its grace is over. The
// error says that it could not be started.
func Run(ctx context.Context, c Command) (Exit, error) {
	p := &process{Command: c, group: !isTerminal(c.Stdin), done: make(chan error, 1)}
	p.cmd = &exec.Cmd{Path: c.Path, Args: c.Args, Env: c.Env, SysProcAttr: sysProcAttr(p.group)}
	if c.Stdin != nil { // an interface that holds nil is not nil
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

// start keeps its thread until the program has ended: what ends the program when
// we are killed is bound to the thread, not to the process (golang/go#27505).
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

// wait also returns when all that belongs to the program must be gone.
func (p *process) wait(ctx context.Context) (exit Exit, until time.Time) {
	if p.waitForExit(ctx) {
		p.readConnections() // after the signal they may be closed, while the server still works
		exit, until = p.stop(ctx)
	} else {
		until = time.Now().Add(p.Grace)
		if !p.group && !p.cmd.ProcessState.Success() {
			// A terminal's Ctrl-C reaches us both, and the program may be the faster one.
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

// waitForExit waits for the program to end, or for ctx, and reports whether it still waitForExit.
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

// stop asks the program to end, and kills it when its grace is over.
func (p *process) stop(ctx context.Context) (exit Exit, until time.Time) {
	until = time.Now().Add(p.Grace)
	exit.StopCause = context.Cause(ctx)
	sig := syscall.SIGTERM
	if p.Signal != nil {
		sig = p.Signal(exit.StopCause)
	}
	if p.group || sig != syscall.SIGINT { // a terminal's Ctrl-C has reached it already
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

// signal reaches the whole group. That somebody is gone already is no error.
func (p *process) signal(sig syscall.Signal) {
	pid := p.cmd.Process.Pid
	if p.group {
		pid = -pid
	}
	_ = syscall.Kill(pid, sig)
}

// endGroup ends what the program has left behind in its group: nothing of it may go
// on when the lock is given back.
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

// groupEnded reports whether nobody is left in the group. Who has ended stays in it until
// his parent takes note, which is us where we are a container's first process.
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

// isTerminal takes every character device but /dev/null for one.
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
