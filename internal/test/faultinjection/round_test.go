package faultinjection

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	runTimeout = 2 * time.Minute // a run that takes longer hangs
	maxReruns  = 5
)

// A roundResult is the result of a round.
type roundResult struct {
	tool       *tool
	seed       uint64
	class      Class
	kind       Kind
	faultPoint string
	injected   bool // false: the run ended before the fault
	code       int  // of the run with the fault
	// runAfterFault is how long the run continued after the fault.
	runAfterFault time.Duration
	reruns        int
	outcome       Outcome
	detail        string
}

// A runResult is the result of one run of a tool.
type runResult struct {
	code   int // 128+n if signal n ended the run, as in a shell
	hung   bool
	stderr string
}

// run runs the tool. It passes the function that signals the process to began before the
// tool can connect.
func (tl *tool) run(s *Set, dir, url string, began func(func(syscall.Signal) error)) (runResult, error) {
	ctx, cancel := context.WithTimeout(context.Background(), runTimeout)
	defer cancel()
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, tl.Path, tl.args(s, dir, url)...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = tl.Env(url), dir, &output, &output
	var mu sync.Mutex
	mu.Lock()
	began(func(sig syscall.Signal) error {
		mu.Lock()
		defer mu.Unlock()
		if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, syscall.ESRCH) && !strings.Contains(err.Error(), "already finished") {
			return err
		}
		return nil
	})
	err := cmd.Start()
	mu.Unlock()
	if err != nil {
		return runResult{}, err
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return runResult{}, err
	}
	e := runResult{code: cmd.ProcessState.ExitCode(), hung: ctx.Err() != nil, stderr: output.String()}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.code = codeSignal + int(ws.Signal())
	}
	return e, nil
}

// runRound runs one round of one tool on an empty database.
func (tl *tool) runRound(t *testing.T, seed uint64, p *database, timing timing) roundResult {
	t.Helper()
	set, fault := NewSet(seed, *mixed), NewFault(seed, Kind(*only))
	dir := tl.folder(t, set)
	x := newProxy(t, p.addr)
	url := p.urlThrough(t, x)
	if set.Class != Transactional {
		p.startApplication(t)
	}
	st := &injector{fault: fault, database: p, proxy: x}
	answer, after := timing.faultPoint(fault, set)
	st.arm(answer, after)
	first, err := tl.run(set, dir, url, func(f func(syscall.Signal) error) { st.signal = f })
	require.NoError(t, err)
	v := roundResult{tool: tl, seed: seed, class: set.Class, kind: fault.Kind, code: first.code, faultPoint: "after " + after.String()}
	if injected := st.disarm(); !injected.IsZero() {
		v.injected, v.runAfterFault = true, time.Since(injected)
	}
	if answer > 0 {
		v.faultPoint = fmt.Sprint("at answer ", answer)
	}
	last := tl.rerun(t, set, dir, url, p, first, &v)
	require.NoError(t, st.wait(), "the fault itself")
	p.waitUntilIdle(t)
	tl.evaluate(t, &v, p, set, first, last)
	return v
}

// rerun runs the tool again, as a pipeline does: at once the first time, and then when the
// server answers and the last run's session has ended. It stops after an exit code for which
// the tool documents that a retry does not help.
func (tl *tool) rerun(t *testing.T, s *Set, dir, url string, p *database, last runResult, v *roundResult) runResult {
	t.Helper()
	for last.code != 0 && !last.hung && !slices.Contains(tl.finalCodes, last.code) && v.reruns < maxReruns {
		if v.reruns > 0 {
			p.waitUntilIdle(t)
		}
		v.reruns++
		var err error
		last, err = tl.run(s, dir, url, func(func(syscall.Signal) error) {})
		require.NoError(t, err)
	}
	return last
}

func (tl *tool) evaluate(t *testing.T, v *roundResult, p *database, s *Set, first, last runResult) {
	t.Helper()
	findings, err := []finding{{NeedsManualRepair, tail(last.stderr)}}, error(nil)
	switch {
	case last.hung:
		findings = []finding{{Hung, tail(last.stderr)}}
	case last.code == 0:
		findings, err = verify(p, s, tl)
		require.NoError(t, err)
		if *report != "" && v.kind == SIGTERM && tl.terminationLimit > 0 && v.runAfterFault > tl.terminationLimit { // only in `make chaos`: a busy machine exceeds the limit
			findings = append(findings, finding{WrongExitCode, fmt.Sprintf("ended %s after SIGTERM", v.runAfterFault)})
		}
		if !tl.allowsExitCode(v.kind, first.code) || (!v.injected && first.code != 0) {
			findings = append(findings, finding{WrongExitCode, fmt.Sprintf("exit code %d (injected: %t): %s", first.code, v.injected, tail(first.stderr))})
		}
	}
	v.outcome, v.detail = worstOutcome(findings)
}

// tail returns the last lines of a tool's output.
func tail(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}
