// Package kube is the part of kubectl that the scenarios and the demo need, so that neither asks for the binary.
package kube

import (
	"fmt"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Client speaks to one namespace of one cluster.
type Client struct {
	Namespace string

	flags  *genericclioptions.ConfigFlags
	config *rest.Config
	set    kubernetes.Interface
}

// New reads a kubeconfig file. Many scenarios share two cores with their cluster: the client does not throttle itself.
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

// In is the same cluster seen from another namespace.
func (c *Client) In(namespace string) *Client {
	other := *c
	other.Namespace = namespace
	return &other
}
