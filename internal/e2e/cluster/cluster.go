package cluster

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// TestName is the cluster that the tests of this project share.
const TestName = "shiplock-test"

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
		return c, c.raiseLimit(ctx)
	}
	fmt.Fprintf(c.log, "creating cluster %s: %v\n", c.Name, reason)
	if err := c.create(ctx, image); err != nil {
		return nil, err
	}
	return c, c.raiseLimit(ctx)
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
