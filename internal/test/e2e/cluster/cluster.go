package cluster

import (
	"cmp"
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
