package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/shiplock/shiplock/hack/demo/console"
)

// clusterProgram is the path of the compiled hack/demo/cluster, relative to the checkout.
const clusterProgram = "bin/demo-cluster"

// A preparation is hack/demo/cluster, which prepares the cluster in the background and then waits for its standard input to end.
type preparation struct {
	cancel context.CancelFunc
	input  io.Closer
	ready  chan struct{}
	ended  chan error

	mu   sync.Mutex
	last string
	// lines are the last lines of its standard error, for an error.
	lines []string
}

// prepare compiles and starts hack/demo/cluster.
func prepare(ctx context.Context) *preparation {
	ctx, cancel := context.WithCancel(ctx)
	p := &preparation{cancel: cancel, ready: make(chan struct{}), ended: make(chan error, 1), last: "cluster"}
	reader, writer := io.Pipe()
	p.input = writer
	go func() {
		err := build(ctx, p.report, "Helm and kind", clusterProgram, "./hack/demo/cluster", background...)
		if err == nil {
			err = p.run(ctx, reader)
		}
		p.ended <- err
		close(p.ended)
	}()
	return p
}

func (p *preparation) report(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = line
	if p.lines = append(p.lines, line); len(p.lines) > 30 {
		p.lines = p.lines[1:]
	}
}

// run runs the program until it ends. Its lines are reported until it is ready, and then copied to standard error.
func (p *preparation) run(ctx context.Context, input io.Reader) error {
	args := append(append([]string{}, background...), clusterProgram)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "SHIPLOCK_PROGRESS_INTERVAL=1")
	cmd.Stdout = os.Stdout
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, input)
		_ = stdin.Close()
	}()
	isReady := false
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		switch line := lines.Text(); {
		case isReady:
			fmt.Fprintln(os.Stderr, line)
		case line == "ready":
			isReady = true
			close(p.ready)
		default:
			p.report(strings.TrimSpace(line))
		}
	}
	err = cmd.Wait()
	if err != nil && !isReady {
		p.mu.Lock()
		defer p.mu.Unlock()
		return fmt.Errorf("the cluster could not be prepared: %w\n%s", err, strings.Join(p.lines, "\n"))
	}
	return err
}

// play shows the preparation until it is complete, and then the demo on the cluster.
func (p *preparation) play(s *status) error {
	err := s.during("cluster", func(report func(string)) error {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		shown := ""
		for {
			select {
			case <-p.ready:
				return nil
			case err := <-p.ended:
				if err == nil {
					err = errors.New("the cluster's program ended before it was ready")
				}
				return err
			case <-tick.C:
				p.mu.Lock()
				line := p.last
				p.mu.Unlock()
				if line != shown {
					report(line)
					shown = line
				}
			}
		}
	})
	if err != nil {
		return err
	}
	console.Title(os.Stdout, "Shiplock with Helm")
	console.Paragraph(os.Stdout, "A temporary Kubernetes cluster with PostgreSQL, and a small booking service in three releases.")
	if err := p.input.Close(); err != nil {
		return err
	}
	return <-p.ended
}

// stop ends the preparation, whose error is then that it was stopped.
func (p *preparation) stop() {
	p.cancel()
	for range p.ended {
	}
}
