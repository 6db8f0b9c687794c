package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/text"
)

// serviceAccount is where Kubernetes mounts a pod's token.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// The API's limits for an Event's message and for a name.
const (
	maxEventMessage = 1024
	maxEventName    = 200
)

// A kubeEvent has the fields of a core/v1 Event that Shiplock sets. core/v1 is the older of
// the two APIs for Events, and requires only the permission to create.
type kubeEvent struct {
	APIVersion     string     `json:"apiVersion"`
	Kind           string     `json:"kind"`
	Metadata       kubeMeta   `json:"metadata"`
	InvolvedObject kubeObject `json:"involvedObject"`
	Reason         string     `json:"reason"`
	Message        string     `json:"message"`
	Type           string     `json:"type"`
	Source         kubeSource `json:"source"`
	FirstTimestamp string     `json:"firstTimestamp"`
	LastTimestamp  string     `json:"lastTimestamp"`
	Count          int        `json:"count"`
	Controller     string     `json:"reportingComponent"`
	Instance       string     `json:"reportingInstance"`
}

type kubeMeta struct {
	GenerateName string `json:"generateName"`
	Namespace    string `json:"namespace"`
}

type kubeObject struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Namespace  string `json:"namespace"`
	UID        string `json:"uid,omitempty"`
}

type kubeSource struct {
	Component string `json:"component"`
}

func (o Options) event(*Notifier) (*Channel, error) {
	if !o.KubernetesEvent {
		return nil, nil
	}
	return &Channel{Name: "Kubernetes Event", Send: func(ctx context.Context, m Message) error {
		p, namespace, err := o.apiServer()
		if err != nil {
			return err
		}
		if p.body, err = encode(o.eventOf(m, namespace)); err != nil {
			return err
		}
		err = p.send(ctx)
		var status *StatusError
		if errors.As(err, &status) && status.Code == http.StatusForbidden {
			return fmt.Errorf("the pod's ServiceAccount may not create events in namespace %s (the chart's kubernetesEvents.enabled grants this permission)", namespace)
		}
		return err
	}}, nil
}

// CheckEvent returns why no Event can be created, as far as this can be checked without a
// request.
func (o Options) CheckEvent() error {
	if !o.KubernetesEvent {
		return nil
	}
	_, _, err := o.apiServer()
	return err
}

// apiServer returns a request to the pod's API server, without a proxy. It reads the token
// each time, because Kubernetes renews it.
func (o Options) apiServer() (p httpRequest, namespace string, err error) {
	host, port := o.Getenv("KUBERNETES_SERVICE_HOST"), o.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return p, "", errors.New("not running in a Kubernetes pod: KUBERNETES_SERVICE_HOST is not set")
	}
	files := map[string]string{"token": "", "ca.crt": "", "namespace": ""}
	for name := range files {
		text, err := os.ReadFile(filepath.Join(o.Root, serviceAccount, name))
		if err != nil {
			return p, "", fmt.Errorf("the pod has no ServiceAccount token (the chart's kubernetesEvents.enabled mounts one): %w", err)
		}
		files[name] = strings.TrimSpace(string(text))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(files["ca.crt"])) {
		return p, "", fmt.Errorf("%s/ca.crt holds no certificate", serviceAccount)
	}
	namespace = files["namespace"]
	p.client = o.client(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true})
	p.url = "https://" + net.JoinHostPort(host, port) + "/api/v1/namespaces/" + url.PathEscape(namespace) + "/events"
	p.header = o.header("application/json")
	p.header.Set("Authorization", "Bearer "+files["token"])
	return p, namespace, nil
}

// eventOf returns an Event on the Job if its UID is known, otherwise on the pod: kubectl
// describe selects by name and UID.
func (o Options) eventOf(m Message, namespace string) kubeEvent {
	on := kubeObject{APIVersion: "batch/v1", Kind: "Job", Name: m.Job, Namespace: namespace, UID: o.JobUID}
	if m.Job == "" || o.JobUID == "" && o.PodUID != "" {
		on = kubeObject{APIVersion: "v1", Kind: "Pod", Name: m.Pod, Namespace: namespace, UID: o.PodUID}
	}
	kind := "Warning"
	if m.Succeeded() {
		kind = "Normal"
	}
	at := m.Ended.UTC().Format(time.RFC3339)
	return kubeEvent{
		APIVersion: "v1", Kind: "Event", Metadata: kubeMeta{GenerateName: text.Clip(on.Name, maxEventName) + ".", Namespace: namespace},
		InvolvedObject: on, Reason: outcomeOf(m.ExitCode).reason, Message: eventMessage(m), Type: kind,
		Source: kubeSource{Component: "shiplock"}, FirstTimestamp: at, LastTimestamp: at, Count: 1,
		Controller: "shiplock", Instance: text.Clip(m.Pod, 128),
	}
}

// eventRows are the rows in an Event's message; the others are in the pod's termination
// message.
var eventRows = []string{"postgres", "why", "state", "next"}

// eventMessage returns one line with the title and the rows. If it is too long, the longest
// part is shortened.
func eventMessage(m Message) string {
	parts := []string{sentence(m.Title)}
	for _, name := range eventRows {
		for _, row := range m.Rows {
			if row.Name == name && row.Text != "" {
				parts = append(parts, name+": "+sentence(row.Text))
			}
		}
	}
	for len(strings.Join(parts, "; ")) > maxEventMessage {
		longest := 0
		for i, p := range parts {
			if len(p) > len(parts[longest]) {
				longest = i
			}
		}
		parts[longest] = text.Clip(parts[longest], len(parts[longest])*9/10)
	}
	return strings.Join(parts, "; ")
}

// sentence joins several lines into one.
func sentence(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.TrimRight(text.OneLine(line), ";"); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
