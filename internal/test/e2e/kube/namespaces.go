package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CreateNamespace creates the client's namespace, which admits only pods that meet the restricted Pod Security Standard.
func (c *Client) CreateNamespace(ctx context.Context) error {
	_, err := c.set.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   c.Namespace,
		Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	return err
}

// DeleteNamespace deletes the client's namespace without waiting. Its pods get no grace period, because a node has a
// maximum number of pods.
func (c *Client) DeleteNamespace(ctx context.Context) error {
	now := int64(0)
	err := c.set.CoreV1().Pods(c.Namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{})
	if err != nil {
		return err
	}
	return c.set.CoreV1().Namespaces().Delete(ctx, c.Namespace, metav1.DeleteOptions{})
}

// CreateSecret creates a Secret in the client's namespace.
func (c *Client) CreateSecret(ctx context.Context, name string, data map[string]string) error {
	_, err := c.set.CoreV1().Secrets(c.Namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: data,
	}, metav1.CreateOptions{})
	return err
}
