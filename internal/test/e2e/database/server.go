// Package database manages the PostgreSQL server in the cluster, with a database and a role for each scenario.
package database

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"net/url"
	"strings"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/test/e2e/kube"
)

// The server's address in the cluster.
const (
	Host = "postgres.postgres.svc"
	Port = "5432"
)

// The names of the pod and its namespace in postgres.yaml.
const pod = "postgres"

//go:embed postgres.yaml
var manifest string

// A Server is a PostgreSQL server in the cluster. Queries run with psql in its pod.
type Server struct{ kube *kube.Client }

// Deploy starts a server of an image, or finds the running one, and waits until it answers.
func Deploy(ctx context.Context, client *kube.Client, image string) (*Server, error) {
	client = client.In(pod)
	text := strings.ReplaceAll(manifest, "$IMAGE", image)
	sum := fmt.Sprintf("%.8x", sha256.Sum256([]byte(text)))
	text = strings.ReplaceAll(text, "$MANIFEST", sum)
	running, err := client.JSONPath(kube.Query{Args: []string{"pod/" + pod}}, "{.metadata.labels.made-of}")
	if err == nil && running != sum {
		// Few fields of a pod can change in place, and a newer image may not accept the data folder.
		if err := client.Delete(ctx, kube.Query{Args: []string{"pod/" + pod}}); err != nil {
			return nil, fmt.Errorf("postgres: %w", err)
		}
	}
	if err := client.Apply(ctx, "postgres.yaml", strings.NewReader(text), false); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	const ready = `{.status.conditions[?(@.type=="Ready")].status}`
	err = kube.Until(ctx, func() (bool, error) {
		status, err := client.JSONPath(kube.Query{Args: []string{"pod/" + pod}}, ready)
		return status == "True", err
	})
	if err != nil {
		var why bytes.Buffer
		client.Diagnose(context.WithoutCancel(ctx), &why)
		return nil, fmt.Errorf("postgres is not ready: %w\n%s", err, why.String())
	}
	return Connect(client), nil
}

// Connect returns the server that Deploy has started.
func Connect(client *kube.Client) *Server {
	return &Server{kube: client.In(pod)}
}

// Create creates a role without superuser privileges, and a database of the same name that it owns. It replaces
// existing ones.
func (s *Server) Create(ctx context.Context, name, password string) error {
	if err := s.Drop(ctx, name); err != nil {
		return err
	}
	_, err := s.Query(ctx, "postgres", "postgres",
		fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD %s", pq.QuoteIdentifier(name), pq.QuoteLiteral(password)),
		fmt.Sprintf("CREATE DATABASE %[1]s OWNER %[1]s", pq.QuoteIdentifier(name)))
	return err
}

// Drop drops a database, also with open connections, and its role.
func (s *Server) Drop(ctx context.Context, name string) error {
	_, err := s.Query(ctx, "postgres", "postgres",
		fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", pq.QuoteIdentifier(name)),
		"DROP ROLE IF EXISTS "+pq.QuoteIdentifier(name))
	return err
}

// Query runs statements one by one and returns psql's unaligned output: a line for each row, with columns separated by "|".
func (s *Server) Query(ctx context.Context, database, user string, statements ...string) (string, error) {
	command := []string{"psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database}
	for _, statement := range statements {
		command = append(command, "-c", statement)
	}
	var out, errs bytes.Buffer
	if err := s.kube.Exec(ctx, pod, command, nil, &out, &errs); err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// URL returns the URL of a database for pods, as its owner. The test server does not use TLS.
func URL(name, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(name, password), Host: Host + ":" + Port, Path: "/" + name,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}
