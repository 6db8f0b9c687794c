package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	kind "sigs.k8s.io/kind/pkg/cluster"
)

const (
	// TestName is the cluster that the tests of this project share.
	TestName = "shiplock-test"

	createTimeout = 5 * time.Minute
)

// Options say which cluster is wanted; the zero value is the one for tests.
type Options struct {
	// Name distinguishes clusters on one machine. Default TestName.
	Name string
	// NodeImage is the image of the node. Default: SHIPLOCK_NODE_IMAGE, else kind's own where a registry can
	// be reached, else the one that hack/node builds.
	NodeImage string
	// Log takes one line a step of what takes long. Default: nowhere.
	Log io.Writer
}

// Cluster is a running cluster of one node.
type Cluster struct {
	Name string
	// Kubeconfig is a file of this cluster's own.
	Kubeconfig string
	Engine     *Engine
	log        io.Writer
}

// Ensure returns the cluster of that name: the one that runs when it is healthy and of the same node image,
// else a new one in its place. Processes that ask for the same name at once get the same cluster.
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
		return c, nil
	}
	fmt.Fprintf(c.log, "creating cluster %s: %v\n", c.Name, reason)
	return c, c.create(ctx, image)
}

// Delete removes the cluster of that name, whatever state it is in. It is no error when there is none.
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

func newCluster(engine *Engine, o Options) *Cluster {
	c := &Cluster{Name: cmp.Or(o.Name, TestName), Engine: engine, log: o.Log}
	if c.log == nil {
		c.log = io.Discard
	}
	c.Kubeconfig = filepath.Join(c.dir(), "kubeconfig")
	return c
}

func (c *Cluster) dir() string { return filepath.Join(CacheDir(), "clusters", c.Name) }

// node is the name that kind gives the only node's container.
func (c *Cluster) node() string { return c.Name + "-control-plane" }

// Env is what other programs (kubectl, helm, kind, the engine) need in their environment for this cluster.
func (c *Cluster) Env() []string {
	env := []string{"KUBECONFIG=" + c.Kubeconfig, "KIND_EXPERIMENTAL_PROVIDER=" + c.Engine.Name}
	if conf := os.Getenv("CONTAINERS_CONF"); conf != "" {
		env = append(env, "CONTAINERS_CONF="+conf)
	}
	return env
}

// Postgres puts the database image for tests into the cluster and returns its name there.
func (c *Cluster) Postgres(ctx context.Context) (string, error) {
	image, err := c.Engine.postgresImage(ctx, c.log)
	if err != nil {
		return "", err
	}
	if _, err := c.Engine.Run(ctx, "tag", image, PostgresImage); err != nil {
		return "", err
	}
	return PostgresImage, c.Load(ctx, PostgresImage)
}

func (c *Cluster) create(ctx context.Context, image string) error {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	if err := ensureModules(); err != nil {
		return err
	}
	if err := c.remove(ctx); err != nil {
		return err
	}
	journal := &journal{progress: c.log}
	err := c.createWithKind(ctx, image, journal)
	if err == nil {
		err = c.waitHealthy(ctx)
	}
	if err == nil {
		return nil
	}
	return c.failure(err, journal)
}

// createWithKind is kind's Create, which knows no context: when ours ends, the node is taken away from under
// it, and what it does next fails.
func (c *Cluster) createWithKind(ctx context.Context, image string, journal *journal) error {
	stop := context.AfterFunc(ctx, func() {
		_ = c.Engine.removeContainers(context.WithoutCancel(ctx), c.node())
	})
	defer stop()
	err := c.Engine.provider(journal).Create(c.Name,
		kind.CreateWithV1Alpha4Config(config(image)),
		kind.CreateWithKubeconfigPath(c.Kubeconfig),
		kind.CreateWithWaitForReady(time.Minute),
		kind.CreateWithRetain(true), // for the logs in failure; the next Ensure replaces it
		kind.CreateWithDisplayUsage(false),
		kind.CreateWithDisplaySalutation(false))
	return errors.Join(context.Cause(ctx), err)
}

// remove deletes the node and the kubeconfig, in an order that never leaves a kubeconfig of a cluster that
// is half gone: it is what tells a finished cluster from one whose creation was killed.
func (c *Cluster) remove(ctx context.Context) error {
	if err := os.Remove(c.Kubeconfig); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	nodes, err := c.Engine.Run(ctx, "ps", "--all", "--quiet", "--filter", "label=io.x-k8s.kind.cluster="+c.Name)
	if err != nil || nodes == "" {
		return err
	}
	return c.Engine.removeContainers(ctx, strings.Fields(nodes)...)
}

// ensureModules makes the folder that kind mounts into every node; a kernel without modules may have none.
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
