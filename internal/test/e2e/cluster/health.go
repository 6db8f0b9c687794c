package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// healthyWithin is the maximum time for a running cluster to answer on a busy machine.
const healthyWithin = time.Minute

// unusable returns the reason for which the cluster must be replaced, or nil.
func (c *Cluster) unusable(ctx context.Context, image string) error {
	out, err := c.Engine.Run(ctx, "container", "inspect", "--format", "{{.State.Running}} {{.Config.Image}}", c.node())
	if err != nil {
		return errors.New("there is none")
	}
	running, of, _ := strings.Cut(out, " ")
	switch {
	case running != "true":
		return errors.New("its node is stopped")
	case !sameImage(of, image):
		return fmt.Errorf("its node is %s, wanted is %s", of, image)
	}
	if _, err := os.Stat(c.Kubeconfig); err != nil {
		return errors.New("it was never finished")
	}
	ctx, cancel := context.WithTimeout(ctx, healthyWithin)
	defer cancel()
	return c.waitHealthy(ctx)
}

// sameImage reports whether two names are the same image. Podman adds the default registry to a short name.
func sameImage(a, b string) bool {
	return a == b || strings.HasSuffix(a, "/"+b) || strings.HasSuffix(b, "/"+a)
}

// waitHealthy waits until the API server answers, the node is Ready and the cluster's DNS serves.
func (c *Cluster) waitHealthy(ctx context.Context) error {
	rest, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return err
	}
	rest.Timeout = 5 * time.Second
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return err
	}
	var last error
	err = wait.PollUntilContextCancel(ctx, 250*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		last = healthy(ctx, client)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("not healthy: %w", errors.Join(last, err))
	}
	return nil
}

func healthy(ctx context.Context, client kubernetes.Interface) error {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if len(nodes.Items) == 0 {
		return errors.New("no node yet")
	}
	for _, node := range nodes.Items {
		if !ready(node) {
			return fmt.Errorf("node %s is not Ready", node.Name)
		}
	}
	dns, err := client.AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if dns.Status.AvailableReplicas == 0 {
		return errors.New("coredns is not available")
	}
	// a namespace without it rejects pods
	_, err = client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
	return err
}

func ready(node corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
