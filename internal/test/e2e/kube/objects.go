package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/util/jsonpath"
)

// manager is the field manager of applied objects.
const manager = "shiplock-e2e"

// A Query selects objects by kubectl's arguments ("pod/x", "jobs", "secret x") and a label selector.
type Query struct {
	Args     []string
	Selector string
}

func (c *Client) builder() *resource.Builder {
	return resource.NewBuilder(c.flags).Unstructured().NamespaceParam(c.Namespace).DefaultNamespace().Flatten()
}

func (c *Client) visit(q Query, each resource.VisitorFunc) error {
	b := c.builder().ResourceTypeOrNameArgs(true, q.Args...).ContinueOnError()
	if q.Selector != "" {
		b = b.LabelSelectorParam(q.Selector)
	}
	return b.Do().Visit(each)
}

// Get returns a List of the objects that match. It is an error if a named object does not exist.
func (c *Client) Get(q Query) (*unstructured.UnstructuredList, error) {
	list := &unstructured.UnstructuredList{Object: map[string]any{"kind": "List", "apiVersion": "v1"}}
	return list, c.visit(q, func(info *resource.Info, err error) error {
		if u, ok := info.Object.(*unstructured.Unstructured); ok && err == nil {
			list.Items = append(list.Items, *u)
		}
		return err
	})
}

// JSONPath executes a template as kubectl's -o jsonpath does: on the object if the query names one ("pod/x"), and
// otherwise on the List.
func (c *Client) JSONPath(q Query, template string) (string, error) {
	path := jsonpath.New("query").AllowMissingKeys(true)
	if err := path.Parse(template); err != nil {
		return "", fmt.Errorf("jsonpath %s: %w", template, err)
	}
	list, err := c.Get(q)
	if err != nil {
		return "", err
	}
	data := list.UnstructuredContent()
	if len(q.Args) == 1 && strings.Contains(q.Args[0], "/") {
		data = list.Items[0].Object
	}
	var out strings.Builder
	if err := path.Execute(&out, data); err != nil {
		return "", fmt.Errorf("jsonpath %s: %w", template, err)
	}
	return out.String(), nil
}

// Apply applies YAML documents on the server with strict validation: an unknown field is an error. With dryRun the server
// validates and admits them without storing them. An error does not stop it before the last document.
func (c *Client) Apply(ctx context.Context, name string, yaml io.Reader, dryRun bool) error {
	result := c.builder().Stream(yaml, name).ContinueOnError().Do()
	// An error of one document does not stop the others.
	return result.Visit(func(info *resource.Info, err error) error {
		if err != nil {
			return err
		}
		data, err := runtime.Encode(unstructured.UnstructuredJSONScheme, info.Object)
		if err != nil {
			return err
		}
		force := true
		_, err = resource.NewHelper(info.Client, info.Mapping).
			DryRun(dryRun).WithFieldManager(manager).WithFieldValidation(metav1.FieldValidationStrict).
			Patch(info.Namespace, info.Name, types.ApplyPatchType, data, &metav1.PatchOptions{Force: &force})
		if err != nil {
			return fmt.Errorf("%s/%s: %w", info.Mapping.GroupVersionKind.Kind, info.Name, err)
		}
		return ctx.Err()
	})
}

// Patch merges JSON into the objects that match.
func (c *Client) Patch(q Query, json string) error {
	return c.visit(q, func(info *resource.Info, err error) error {
		if err != nil {
			return err
		}
		_, err = resource.NewHelper(info.Client, info.Mapping).
			Patch(info.Namespace, info.Name, types.MergePatchType, []byte(json), nil)
		return err
	})
}

// Delete deletes objects and waits until they do not exist. It is not an error if none matches.
func (c *Client) Delete(ctx context.Context, q Query) error {
	err := c.visit(q, func(info *resource.Info, err error) error {
		if err != nil {
			return err
		}
		background := metav1.DeletePropagationBackground
		_, err = resource.NewHelper(info.Client, info.Mapping).
			DeleteWithOptions(info.Namespace, info.Name, &metav1.DeleteOptions{PropagationPolicy: &background})
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return Until(ctx, func() (bool, error) {
		list, err := c.Get(q)
		return len(list.Items) == 0 && (err == nil || apierrors.IsNotFound(err)), err
	})
}

// Until polls a condition until it holds or ctx ends; it returns the condition's last error. The interval grows to a
// second, because many scenarios wait at the same time and a poll may start a process in a container.
func Until(ctx context.Context, holds func() (bool, error)) error {
	pause := wait.Backoff{Duration: 150 * time.Millisecond, Factor: 1.4, Cap: time.Second, Steps: 10}
	for {
		ok, err := holds()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause.Step()):
		}
	}
}
