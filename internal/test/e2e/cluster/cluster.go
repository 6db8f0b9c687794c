package cluster

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// TestName is the name of the cluster that the tests share.
const TestName = "shiplock-test"

// Options select a cluster. The zero value is the cluster for tests.
type Options struct {
	// Name distinguishes clusters on one machine. Default TestName.
	Name string
	// NodeImage is the image of the node. Default: SHIPLOCK_NODE_IMAGE, kind's own if a registry is
	// reachable, or the one that hack/node builds.
	NodeImage string
	// Log gets a line for each long step. Default: none.
	Log io.Writer
}

// A Cluster is a running cluster of one node.
type Cluster struct {
	Name string
	// Kubeconfig is the path of the cluster's kubeconfig.
	Kubeconfig string
	Engine     *Engine
	log        io.Writer
}

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

func newCluster(engine *Engine, o Options) *Cluster {
	c := &Cluster{Name: cmp.Or(o.Name, TestName), Engine: engine, log: o.Log}
	if c.log == nil {
		c.log = io.Discard
	}
	c.Kubeconfig = filepath.Join(c.dir(), "kubeconfig")
	return c
}

func (c *Cluster) dir() string { return filepath.Join(CacheDir(), "clusters", c.Name) }

// node returns the name of the node's container.
func (c *Cluster) node() string { return c.Name + "-control-plane" }

// Env returns the environment of other programs (kubectl, helm, kind, the engine) for this cluster.
func (c *Cluster) Env() []string {
	env := []string{"KUBECONFIG=" + c.Kubeconfig, "KIND_EXPERIMENTAL_PROVIDER=" + c.Engine.Name}
	if conf := os.Getenv("CONTAINERS_CONF"); conf != "" {
		env = append(env, "CONTAINERS_CONF="+conf)
	}
	return env
}

// Postgres loads the database image for tests into the cluster and returns its name.
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
