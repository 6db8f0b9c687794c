// Package environment creates a namespace in which each file of chart/ci can be installed: PostgreSQL, and the Secrets and
// ConfigMaps that the files name.
package environment

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"

	"github.com/shiplock/shiplock/internal/test/e2e/kube"
	"github.com/shiplock/shiplock/internal/test/e2e/sample/catalog"
)

//go:embed environment.yaml
var manifest string

//go:embed databases.sql
var databases string

// database is the name of the server's pod and Service.
const database = "database"

// Prepare creates the client's namespace, which must not exist, and returns when the databases are ready. root is the
// directory of the checkout, postgres the database's image in the cluster.
func Prepare(ctx context.Context, client *kube.Client, root, postgres string) error {
	text, err := render(client.Namespace, root, postgres)
	if err != nil {
		return err
	}
	if err := client.CreateNamespace(ctx); err != nil {
		return err
	}
	if err := client.Apply(ctx, "environment.yaml", strings.NewReader(text), false); err != nil {
		return err
	}
	query := kube.Query{Args: []string{"pod/" + database}}
	err = kube.Until(ctx, func() (bool, error) {
		ready, err := client.JSONPath(query, `{.status.conditions[?(@.type=="Ready")].status}`)
		return ready == "True", err
	})
	if err != nil {
		var why bytes.Buffer
		client.Diagnose(context.WithoutCancel(ctx), &why)
		return fmt.Errorf("the database is not ready: %w\n%s", err, why.String())
	}
	_, err = SQL(ctx, client, "postgres", databases)
	return err
}

// SQL runs statements in one of the databases, as the superuser, and returns psql's unaligned rows.
func SQL(ctx context.Context, client *kube.Client, name, statements string) (string, error) {
	var out, errs bytes.Buffer
	command := []string{"psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", name, "-f", "-"}
	if err := client.Exec(ctx, database, command, strings.NewReader(statements), &out, &errs); err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

func render(namespace, root, postgres string) (string, error) {
	dir, err := os.MkdirTemp("", "shiplock-ct")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := catalog.Migrations(root, "v1", dir); err != nil {
		return "", err
	}
	migrations, err := readFiles(dir)
	if err != nil {
		return "", err
	}
	names := []string{database, database + "." + namespace, database + "." + namespace + ".svc"}
	certificates, err := newCertificates(names...)
	if err != nil {
		return "", err
	}
	functions := template.FuncMap{
		"json": func(v any) (string, error) { // JSON is YAML
			text, err := json.Marshal(v)
			return string(text), err
		},
		"list": func(names ...string) []string { return names },
	}
	parsed, err := template.New("environment.yaml").Funcs(functions).Parse(manifest)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = parsed.Execute(&out, map[string]any{
		"Namespace": namespace, "Postgres": postgres, "Migrations": migrations, "Certificates": certificates,
	})
	return out.String(), err
}
