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

// manager is the field manager written into what this package applies.
const manager = "shiplock-e2e"

// Query names objects: Args as kubectl takes them ("pod/x", "jobs", "secret x"), and a label selector.
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

// Get yields a List of what matches; that an object asked for by its name does not exist is an error.
func (c *Client) Get(q Query) (*unstructured.UnstructuredList, error) {
	list := &unstructured.UnstructuredList{Object: map[string]any{"kind": "List", "apiVersion": "v1"}}
	return list, c.visit(q, func(info *resource.Info, err error) error {
		if u, ok := info.Object.(*unstructured.Unstructured); ok && err == nil {
			list.Items = append(list.Items, *u)
		}
		return err
	})
}

// JSONPath fills in a template as kubectl's -o jsonpath does: of the object when one is asked for by its name ("pod/x"),
// else of the List.
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

// Apply applies YAML documents on the server, strictly: a field that Kubernetes' schema does not know is an error.
// With dryRun the server checks and admits them and stores nothing. Every document is tried.
func (c *Client) Apply(ctx context.Context, name string, yaml io.Reader, dryRun bool) error {
	result := c.builder().Stream(yaml, name).ContinueOnError().Do()
	// A run-time error here is one document's; the others are still visited.
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

// Patch merges JSON into what matches.
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

// Delete deletes and waits until the objects are gone; it is no error that there are none.
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

// Until polls a condition until it holds or ctx ends; the last error of the condition is told. What takes long is asked for less and less often, once
// a second at the last: many wait at once, and a question may cost a process in a container.
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
