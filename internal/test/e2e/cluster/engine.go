// Package cluster creates Kubernetes clusters for tests and the demo with kind, on Docker or podman. It uses
// kind's node image if a registry is reachable, and otherwise the one that hack/node builds.
package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/cluster"
)

// An Engine runs containers and builds images.
type Engine struct {
	// Name is the program's name: docker or podman.
	Name string
}

// Detect returns the first engine that works. For podman it may set CONTAINERS_CONF in this process, which kind
// and other child processes inherit.
func Detect(ctx context.Context) (*Engine, error) {
	name, err := choose(ctx, probe)
	if err != nil {
		return nil, err
	}
	if name == "podman" {
		if err := configurePodman(); err != nil {
			return nil, err
		}
	}
	return &Engine{Name: name}, nil
}

// choose returns the first engine whose probe succeeds. Installation is not enough, because a docker client
// without a daemon is common.
func choose(ctx context.Context, probe func(context.Context, string) error) (string, error) {
	var tried []error
	for _, name := range []string{"docker", "podman"} {
		err := probe(ctx, name)
		if err == nil {
			return name, nil
		}
		tried = append(tried, fmt.Errorf("%s: %w", name, err))
	}
	return "", fmt.Errorf("no container engine works (run hack/setup.sh engine): %w", errors.Join(tried...))
}

func probe(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	args := map[string][]string{"docker": {"info", "--format", "{{.ServerVersion}}"}, "podman": {"version"}}
	_, err := output(exec.CommandContext(ctx, name, args[name]...))
	return err
}

// provider returns kind's provider for the engine.
func (e *Engine) provider(log *kindLog) *cluster.Provider {
	option := cluster.ProviderWithDocker()
	if e.Name == "podman" {
		option = cluster.ProviderWithPodman()
	}
	return cluster.NewProvider(option, cluster.ProviderWithLogger(log))
}

// Run runs the engine with args and returns its standard output without the last newline. The error has its
// standard error.
func (e *Engine) Run(ctx context.Context, args ...string) (string, error) {
	return output(exec.CommandContext(ctx, e.Name, args...))
}

// removeContainers kills and removes containers with their anonymous volumes, without podman's grace period of
// ten seconds, in which a node does not stop.
func (e *Engine) removeContainers(ctx context.Context, names ...string) error {
	args := []string{"rm", "--force", "--volumes"}
	if e.Name == "podman" {
		args = append(args, "--time", "0")
	}
	_, err := e.Run(ctx, append(args, names...)...)
	return err
}

func (e *Engine) has(ctx context.Context, image string) bool {
	_, err := e.Run(ctx, "image", "inspect", "--format", "{{.Id}}", image)
	return err == nil
}

func output(cmd *exec.Cmd) (string, error) {
	var out, output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &output
	cmd.WaitDelay = 5 * time.Second // a grandchild may keep the pipes open after a kill
	if err := cmd.Run(); err != nil {
		return "", commandError(cmd, &output, err)
	}
	return strings.TrimRight(out.String(), "\n"), nil
}

func commandError(cmd *exec.Cmd, output *bytes.Buffer, err error) error {
	return fmt.Errorf("%s %s: %w: %s", cmd.Path, strings.Join(cmd.Args[1:], " "), err, tail(output.String(), 20))
}

// tail returns the last n lines of a text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
