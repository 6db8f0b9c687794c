// Package kube is a client for the scenarios and the demo, which replaces the kubectl binary.
package kube

import (
	"fmt"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// A Client is a client of one namespace of a cluster.
type Client struct {
	Namespace string

	flags  *genericclioptions.ConfigFlags
	config *rest.Config
	set    kubernetes.Interface
}

// New returns a client of a kubeconfig file. It has no rate limit, because many scenarios share it.
func New(kubeconfig, namespace string) (*Client, error) {
	flags := genericclioptions.NewConfigFlags(true).WithWrapConfigFn(func(c *rest.Config) *rest.Config {
		c.QPS, c.Burst = -1, -1
		return c
	})
	flags.KubeConfig = &kubeconfig
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	return &Client{Namespace: namespace, flags: flags, config: config, set: set}, nil
}

// In returns a client of another namespace of the same cluster.
func (c *Client) In(namespace string) *Client {
	other := *c
	other.Namespace = namespace
	return &other
}
