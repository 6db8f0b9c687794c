package kube

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kubectl/pkg/describe"
)

// Describe returns the output of `kubectl describe TYPE/NAME`, with kubectl's own code.
func (c *Client) Describe(what string) (string, error) {
	kind, name, named := strings.Cut(what, "/")
	if !named {
		return "", fmt.Errorf("describe %s: TYPE/NAME", what)
	}
	mapper, err := c.flags.ToRESTMapper()
	if err != nil {
		return "", err
	}
	resource, err := mapper.ResourceFor(schema.GroupVersionResource{Resource: kind})
	if err != nil {
		return "", err
	}
	gvk, err := mapper.KindFor(resource)
	if err != nil {
		return "", err
	}
	mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return "", err
	}
	describer, err := describe.Describer(c.flags, mapping)
	if err != nil {
		return "", err
	}
	return describer.Describe(c.Namespace, name, describe.DescriberSettings{ShowEvents: true})
}
