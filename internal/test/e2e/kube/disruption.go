package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Evict evicts all pods that match at the same time, retries those that a PodDisruptionBudget protects, and waits until
// they are deleted, as `kubectl drain` does.
func (c *Client) Evict(ctx context.Context, selector string) error {
	return c.remove(ctx, selector, func(pod corev1.Pod) error {
		err := c.set.PolicyV1().Evictions(pod.Namespace).Evict(ctx, &policyv1.Eviction{
			ObjectMeta:    metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace},
			DeleteOptions: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))},
		})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		return nil
	})
}

// Kill deletes the pods that match without a grace period (SIGKILL), as after a failure of their node, and waits until
// they are deleted.
func (c *Client) Kill(ctx context.Context, selector string) error {
	now := int64(0)
	return c.remove(ctx, selector, func(pod corev1.Pod) error {
		return c.set.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: &now, Preconditions: metav1.NewUIDPreconditions(string(pod.UID)),
		})
	})
}

// remove removes each pod that matches and waits until it is deleted. It is an error if no pod matches.
func (c *Client) remove(ctx context.Context, selector string, ask func(corev1.Pod) error) error {
	pods, err := c.set.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return err
	}
	if len(pods.Items) == 0 {
		return fmt.Errorf("no pod matches %q", selector)
	}
	errs := make([]error, len(pods.Items))
	var wait sync.WaitGroup
	for i, pod := range pods.Items {
		wait.Go(func() {
			if err := Until(ctx, func() (bool, error) { err := ask(pod); return err == nil, err }); err != nil {
				errs[i] = fmt.Errorf("pod %s: %w", pod.Name, err)
				return
			}
			errs[i] = c.untilGone(ctx, pod.Name, pod.UID)
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (c *Client) untilGone(ctx context.Context, name string, uid types.UID) error {
	return Until(ctx, func() (bool, error) {
		pod, err := c.set.CoreV1().Pods(c.Namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return err == nil && pod.UID != uid, err
	})
}
