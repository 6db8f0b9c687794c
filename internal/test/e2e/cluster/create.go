package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	kind "sigs.k8s.io/kind/pkg/cluster"
)

const createTimeout = 5 * time.Minute

func (c *Cluster) create(ctx context.Context, image string) error {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	if err := ensureModules(); err != nil {
		return err
	}
	if err := c.remove(ctx); err != nil {
		return err
	}
	kindLog := &kindLog{progress: c.log}
	if err := c.createWithKind(ctx, image, kindLog); err != nil {
		return fmt.Errorf("create cluster %s: %w", c.Name, err)
	}
	if err := c.waitHealthy(ctx); err != nil {
		return fmt.Errorf("create cluster %s: %w", c.Name, c.diagnose(err, kindLog))
	}
	return nil
}

// createWithKind runs kind's Create, which takes no context. When the context ends, it removes the node repeatedly,
// until Create fails.
func (c *Cluster) createWithKind(ctx context.Context, image string, kindLog *kindLog) error {
	created := make(chan error, 1)
	go func() {
		created <- c.Engine.provider(kindLog).Create(c.Name,
			kind.CreateWithV1Alpha4Config(config(image, apiPort(c.Name))),
			kind.CreateWithKubeconfigPath(c.Kubeconfig),
			kind.CreateWithWaitForReady(time.Minute),
			kind.CreateWithRetain(true), // for diagnose; the next Ensure replaces it
			kind.CreateWithDisplayUsage(false),
			kind.CreateWithDisplaySalutation(false))
	}()
	select {
	case err := <-created:
		if err != nil {
			err = c.diagnose(err, kindLog)
		}
		return err
	case <-ctx.Done():
	}
	err := context.Cause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = c.diagnose(err, kindLog)
	}
	for {
		gone := c.remove(context.WithoutCancel(ctx))
		select {
		case <-created:
			return errors.Join(err, gone, c.remove(context.WithoutCancel(ctx)))
		case <-time.After(time.Second):
		}
	}
}

// remove deletes the kubeconfig, the node and its volumes, in this order: a kubeconfig marks a complete cluster.
func (c *Cluster) remove(ctx context.Context) error {
	if err := os.Remove(c.Kubeconfig); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	nodes, err := c.Engine.Run(ctx, "ps", "--all", "--quiet", "--filter", "label=io.x-k8s.kind.cluster="+c.Name)
	if err != nil {
		return err
	}
	if nodes != "" {
		if err := c.Engine.removeContainers(ctx, strings.Fields(nodes)...); err != nil {
			return err
		}
	}
	// kind names the volume of a podman node's /var, so it is not removed with the anonymous ones
	volumes, err := c.Engine.Run(ctx, "volume", "ls", "--quiet", "--filter", "label="+c.node())
	if err != nil || volumes == "" {
		return err
	}
	_, err = c.Engine.Run(ctx, append([]string{"volume", "rm"}, strings.Fields(volumes)...)...)
	return err
}

// ensureModules creates the folder of kernel modules, which kind mounts into every node.
func ensureModules() error {
	const dir = "/lib/modules"
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("kind mounts %s into its nodes (as root: mkdir -p %s): %w", dir, dir, err)
	}
	return nil
}
