// Command testsummary runs go test, prints its output, and then a summary: packages, tests, scenarios, and the skipped tests with
// their reasons. While nothing is printed, it reports every 20 seconds what is running. Its exit code is that of go test.
//
//	testsummary [FLAG OF GO TEST]... -- PACKAGE...
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// interval is the maximum time without output.
const interval = 20 * time.Second

func main() {
	code, err := run(os.Args[1:], os.Stdout, os.Stderr, interval)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
	}
	os.Exit(code)
}

// run runs go test with the arguments and returns its exit code.
func run(args []string, out, errOut io.Writer, interval time.Duration) (int, error) {
	flags, packages, ok := cut(args)
	if !ok {
		return 2, errors.New("usage: testsummary [FLAG OF GO TEST]... -- PACKAGE...")
	}
	s := newSummary(out, isVerbose(flags), countPackages(packages), time.Now())
	cmd := exec.Command("go", slices.Concat([]string{"test", "-json"}, flags, packages)...)
	cmd.Stderr = errOut
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	// An interrupt from the keyboard reaches go test too, which ends its tests; the summary follows.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	lines := make(chan []byte)
	go readLines(stdout, lines)
	tick := time.NewTicker(max(interval/4, time.Millisecond))
	defer tick.Stop()
	for open := true; open; {
		var line []byte
		select {
		case line, open = <-lines:
			if open {
				s.add(line, time.Now())
			}
		case now := <-tick.C:
			s.reportRunning(now, interval)
		case received := <-signals:
			if received == syscall.SIGTERM {
				_ = cmd.Process.Signal(received) // it may have ended
			}
		}
	}
	err = cmd.Wait()
	s.print(time.Now())
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil // -1 after a signal
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// readLines sends each line of r, which may be of any length.
func readLines(r io.Reader, lines chan<- []byte) {
	defer close(lines)
	for b := bufio.NewReader(r); ; {
		line, err := b.ReadBytes('\n')
		if len(line) > 0 {
			lines <- line
		}
		if err != nil {
			return
		}
	}
}

func cut(args []string) (flags, packages []string, ok bool) {
	i := slices.Index(args, "--")
	if i < 0 || i == len(args)-1 {
		return nil, nil, false
	}
	return args[:i], args[i+1:], true
}

func isVerbose(flags []string) bool {
	return slices.ContainsFunc(flags, func(f string) bool { return f == "-v" || f == "-v=true" || f == "--v" })
}

// countPackages returns the number of packages, or 0 if it is unknown.
func countPackages(packages []string) int {
	out, err := exec.Command("go", append([]string{"list"}, packages...)...).Output()
	if err != nil {
		return 0 // go test reports the error
	}
	return len(strings.Fields(string(out)))
}
