package cluster

import (
	"context"
	"fmt"
	"path/filepath"
)

// Ensure returns the cluster of a name. It replaces a cluster that is unhealthy or has another node image.
// Concurrent processes get the same cluster.
func Ensure(ctx context.Context, o Options) (*Cluster, error) {
	engine, err := Detect(ctx)
	if err != nil {
		return nil, err
	}
	c := newCluster(engine, o)
	unlock, err := lock(filepath.Join(c.dir(), "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	image := o.NodeImage
	if image == "" {
		if image, err = engine.nodeImage(ctx, c.log); err != nil {
			return nil, err
		}
	}
	reason := c.unusable(ctx, image)
	if reason == nil {
		return c, c.raiseLimit(ctx)
	}
	fmt.Fprintf(c.log, "creating cluster %s: %v\n", c.Name, reason)
	if err := c.create(ctx, image); err != nil {
		return nil, err
	}
	return c, c.raiseLimit(ctx)
}

// Delete removes the cluster of a name in any state. A missing cluster is not an error.
func Delete(ctx context.Context, name string) error {
	engine, err := Detect(ctx)
	if err != nil {
		return err
	}
	c := newCluster(engine, Options{Name: name})
	unlock, err := lock(filepath.Join(c.dir(), "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	return c.remove(ctx)
}

// maxThreads is enough for the 110 pods that a kubelet takes.
const maxThreads = 16384

// raiseLimit raises the node's limit of threads. Podman's limit of 2048 is reached by about fifty pods, after which no
// process starts. kind cannot set another limit, and podman 4.3 cannot change it.
func (c *Cluster) raiseLimit(ctx context.Context) error {
	if c.Engine.Name != "podman" {
		return nil
	}
	const raise = `for f in /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max; do [ ! -e $f ] || echo %d >$f; done`
	_, err := c.Engine.Run(ctx, "exec", c.node(), "sh", "-c", fmt.Sprintf(raise, maxThreads))
	return err
}
