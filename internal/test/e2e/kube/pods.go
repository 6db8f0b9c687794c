package kube

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sort"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
)

// Logs copies the logs of all started containers of the pods that match, unchanged.
func (c *Client) Logs(ctx context.Context, selector string, out io.Writer) error {
	pods, err := c.set.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if err := c.podLogs(ctx, &pod, out); err != nil {
			return fmt.Errorf("logs of %s: %w", pod.Name, err)
		}
	}
	return nil
}

func (c *Client) podLogs(ctx context.Context, pod *corev1.Pod, out io.Writer) error {
	for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		err := c.ContainerLog(ctx, pod.Name, container.Name, out)
		if apierrors.IsBadRequest(err) {
			continue // not started
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ContainerLog copies the log of one container.
func (c *Client) ContainerLog(ctx context.Context, pod, container string, out io.Writer) error {
	log, err := c.set.CoreV1().Pods(c.Namespace).GetLogs(pod, &corev1.PodLogOptions{Container: container}).Stream(ctx)
	if err != nil {
		return err
	}
	defer log.Close()
	_, err = io.Copy(out, log)
	return err
}

// Exec runs a command in a pod's first container. A nonzero exit code is an error.
func (c *Client) Exec(ctx context.Context, pod string, command []string, in io.Reader, out, errs io.Writer) error {
	req := c.set.CoreV1().RESTClient().Post().Resource("pods").Namespace(c.Namespace).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Command: command, Stdin: in != nil, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec)
	exec, err := remotecommand.NewWebSocketExecutor(c.config, http.MethodGet, req.URL().String())
	if err != nil {
		return err
	}
	return exec.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: in, Stdout: out, Stderr: errs})
}

// HTTP sends a request to a service ("name:port", with the port's name if it has one) through the API server. It returns
// the response's status and body, also if the status is an error.
func (c *Client) HTTP(ctx context.Context, method, service, path string, body []byte) (status int, answer []byte, err error) {
	result := c.set.CoreV1().RESTClient().Verb(method).Namespace(c.Namespace).Resource("services").Name(service).
		SubResource("proxy").Suffix(path).SetHeader("Content-Type", "application/json").
		Body(bytes.NewReader(body)).MaxRetries(0).Do(ctx)
	result.StatusCode(&status)
	answer, err = result.Raw()
	if status != 0 {
		// The client library returns an error for a status of 400 or more. Here it is a response.
		err = nil
	}
	return status, answer, err
}

// Diagnose writes the pods, logs and events of the namespace after a failure.
func (c *Client) Diagnose(ctx context.Context, out io.Writer) {
	pods, err := c.set.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		fmt.Fprintf(out, "pods: %v\n", err)
		return
	}
	for _, pod := range pods.Items {
		fmt.Fprintf(out, "--- pod %s: %s %s\n", pod.Name, pod.Status.Phase, pod.Status.Message)
		for _, s := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			fmt.Fprintf(out, "    %s: ready=%t restarts=%d state=%s\n", s.Name, s.Ready, s.RestartCount, s.State.String())
		}
		if err := c.podLogs(ctx, &pod, out); err != nil {
			fmt.Fprintf(out, "    no log: %v\n", err)
		}
	}
	events, err := c.set.CoreV1().Events(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		fmt.Fprintf(out, "events: %v\n", err)
		return
	}
	sort.SliceStable(events.Items, func(i, j int) bool {
		return events.Items[i].LastTimestamp.Before(&events.Items[j].LastTimestamp)
	})
	fmt.Fprintln(out, "--- events")
	for _, e := range events.Items {
		fmt.Fprintf(out, "%s %s %s/%s: %s\n", e.LastTimestamp.Format("15:04:05"), e.Reason,
			e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Message)
	}
}
