package kube

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// releaseSecret is the type of the Secrets that store Helm's releases.
const releaseSecret = "helm.sh/release.v1"

// readable are the kinds of objects, except Secrets, that a role with read access to the namespace can see.
var readable = []string{"pods", "jobs", "deployments", "events", "configmaps", "serviceaccounts", "roles", "rolebindings", "networkpolicies"}

// Stored returns all texts of the namespace outside of the chart's Secret, by their places: Helm's releases (chart, values,
// manifests and hooks, unpacked), the objects as JSON, kubectl describe of Jobs and pods, and the pods' logs.
func (c *Client) Stored(ctx context.Context) (map[string]string, error) {
	places := map[string]string{}
	if err := c.releases(ctx, places); err != nil {
		return nil, err
	}
	for _, kind := range readable {
		list, err := c.Get(Query{Args: []string{kind}})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		for _, o := range list.Items {
			text, err := json.Marshal(o.Object)
			if err != nil {
				return nil, err
			}
			name := strings.ToLower(o.GetKind()) + "/" + o.GetName()
			places[name] = string(text)
			if kind == "pods" || kind == "jobs" {
				if places["describe "+name], err = c.Describe(name); err != nil {
					return nil, fmt.Errorf("describe %s: %w", name, err)
				}
			}
		}
	}
	var logs strings.Builder
	if err := c.Logs(ctx, "", &logs); err != nil {
		return nil, err
	}
	places["logs of all pods"] = logs.String()
	return places, nil
}

func (c *Client) releases(ctx context.Context, places map[string]string) error {
	secrets, err := c.set.CoreV1().Secrets(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, s := range secrets.Items {
		if s.Type != releaseSecret {
			continue
		}
		text, err := unpack(s)
		if err != nil {
			return fmt.Errorf("release in Secret %s: %w", s.Name, err)
		}
		places["release "+s.Name] = text
	}
	return nil
}

// unpack decodes a release as helm get does. It adds the release's templates and hooks, which are base64 or JSON strings, as
// text, so that a search finds them.
func unpack(s corev1.Secret) (string, error) {
	packed, err := base64.StdEncoding.DecodeString(string(s.Data["release"]))
	if err != nil {
		return "", err
	}
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		return "", err
	}
	var release struct {
		Manifest string
		Hooks    []struct{ Manifest string }
		Info     struct{ Notes string }
	}
	if err := json.Unmarshal(text, &release); err != nil {
		return "", err
	}
	all := string(text) + "\n" + release.Manifest + "\n" + release.Info.Notes
	for _, h := range release.Hooks {
		all += "\n" + h.Manifest
	}
	return all, nil
}
