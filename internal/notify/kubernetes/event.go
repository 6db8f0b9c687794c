// Package kubernetes shows the result of a run in Kubernetes: as an Event, and as the termination
// message of the container.
//
// Event and TerminationLog return the channels. The API of an Event is called directly, without
// client-go. Package cli/notifications calls it.
package kubernetes

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

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/notify/httprequest"
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

// EventOptions configure the channel for an Event.
type EventOptions struct {
	// JobUID and PodUID are the UIDs by which kubectl describe finds an Event.
	JobUID, PodUID string
	// Agent is the User-Agent: name and version of the migrator.
	Agent string
	// Root is the prefix of the paths of Kubernetes' files. Getenv returns its environment
	// variables.
	Root   string
	Getenv func(string) string
	// Setting is the name, for errors, of the setting that grants the permission and mounts the
	// token.
	Setting string
}

// Event returns the channel that creates an Event.
func Event(o EventOptions) *notify.Channel {
	return &notify.Channel{Name: "Kubernetes Event", Send: func(ctx context.Context, m notify.Message) error {
		r, namespace, err := o.apiServer()
		if err != nil {
			return err
		}
		if r.Body, err = httprequest.EncodeJSON(o.eventOf(m, namespace)); err != nil {
			return err
		}
		err = r.Send(ctx)
		var status *httprequest.StatusError
		if errors.As(err, &status) && status.Code == http.StatusForbidden {
			return fmt.Errorf("the pod's ServiceAccount may not create events in namespace %s (%s grants this permission)", namespace, o.Setting)
		}
		return err
	}}
}

// Check returns why no Event can be created, as far as this can be checked without a request.
func (o EventOptions) Check() error {
	_, _, err := o.apiServer()
	return err
}

// apiServer returns a request to the pod's API server, without a proxy. It reads the token
// each time, because Kubernetes renews it.
func (o EventOptions) apiServer() (r httprequest.Request, namespace string, err error) {
	host, port := o.Getenv("KUBERNETES_SERVICE_HOST"), o.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return r, "", errors.New("not running in a Kubernetes pod: KUBERNETES_SERVICE_HOST is not set")
	}
	files := map[string]string{"token": "", "ca.crt": "", "namespace": ""}
	for name := range files {
		text, err := os.ReadFile(filepath.Join(o.Root, serviceAccount, name))
		if err != nil {
			return r, "", fmt.Errorf("the pod has no ServiceAccount token (%s mounts one): %w", o.Setting, err)
		}
		files[name] = strings.TrimSpace(string(text))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(files["ca.crt"])) {
		return r, "", fmt.Errorf("%s/ca.crt holds no certificate", serviceAccount)
	}
	namespace = files["namespace"]
	r.Client = httprequest.Client(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true})
	r.URL = "https://" + net.JoinHostPort(host, port) + "/api/v1/namespaces/" + url.PathEscape(namespace) + "/events"
	r.Header = httprequest.Header(o.Agent, "application/json")
	r.Header.Set("Authorization", "Bearer "+files["token"])
	return r, namespace, nil
}

// eventOf returns an Event on the Job if its UID is known, otherwise on the pod: kubectl
// describe selects by name and UID.
func (o EventOptions) eventOf(m notify.Message, namespace string) kubeEvent {
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
		InvolvedObject: on, Reason: notify.Reason(m.ExitCode), Message: eventMessage(m), Type: kind,
		Source: kubeSource{Component: "shiplock"}, FirstTimestamp: at, LastTimestamp: at, Count: 1,
		Controller: "shiplock", Instance: text.Clip(m.Pod, 128),
	}
}

// eventRows are the rows in an Event's message; the others are in the pod's termination
// message.
var eventRows = []string{"postgres", "why", "state", "next"}

// eventMessage returns one line with the title and the rows. If it is too long, the longest
// part is shortened.
func eventMessage(m notify.Message) string {
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
