package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/e2e/database"
	"github.com/shiplock/shiplock/internal/e2e/kube"
	"github.com/shiplock/shiplock/internal/e2e/release"
	"github.com/shiplock/shiplock/internal/e2e/sample"
	"github.com/shiplock/shiplock/internal/e2e/stage"
)

// password of the demo's database role; it lives as long as the throw-away cluster. It
// is no word of anything else there, or the migrator would make that unreadable, too.
const password = "throw-away"

// theatre is what the story plays on.
type theatre struct {
	start      time.Time
	kubeconfig string
	// helm is Helm 3's command line, built from its pinned source.
	helm string
	// chart is the sample application's chart as a package, relative to the checkout.
	chart    string
	kube     *kube.Client
	database *database.Server
	// engine and node reach the kubectl that every kind node has.
	engine, node string
}

func build(ctx context.Context) (*theatre, error) {
	title("Shiplock: no release before its schema")
	say("A throw-away Kubernetes cluster with a PostgreSQL in it, and a small booking service in three releases.",
		"The first run on a machine builds everything and takes some minutes.")
	s := &theatre{start: time.Now()}
	root, err := sample.Root(ctx)
	if err != nil {
		return nil, err
	}
	// The story's commands name files relative to the checkout, so that they can be typed again.
	if err := os.Chdir(root); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(folder); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	helm := make(chan error, 1)
	go func() { helm <- s.findHelm(ctx) }()
	base, err := stage.Build(ctx, clusterName, filepath.Join(folder, "charts"), os.Stdout)
	if err := <-helm; err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	s.kubeconfig, s.database = base.Cluster.Kubeconfig, base.Database
	s.engine, s.node = base.Cluster.Engine.Name, base.Cluster.Name+"-control-plane"
	s.kube = base.Kube.In(namespace)
	if err := s.pack(ctx, base.Charts.Booking); err != nil {
		return nil, err
	}
	return s, s.clear(ctx)
}

func (s *theatre) findHelm(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "hack/tools/install.sh", "helm3")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("helm's command line: %w", err)
	}
	s.helm = strings.TrimSpace(string(out))
	return os.Symlink(s.helm, filepath.Join(folder, "helm"))
}

// pack makes the chart's package, as a pipeline would that publishes it.
func (s *theatre) pack(ctx context.Context, chart string) error {
	var out strings.Builder
	cmd := release.Command(&out, &out)
	cmd.SetArgs([]string{"package", chart, "--destination", folder})
	if err := cmd.ExecuteContext(ctx); err != nil {
		return fmt.Errorf("package the sample's chart: %w\n%s", err, out.String())
	}
	s.chart = strings.TrimSpace(out.String())
	return os.RemoveAll(filepath.Join(folder, "charts"))
}

// clear makes an empty namespace and an empty database, whatever an earlier run has left.
func (s *theatre) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := s.kube.Delete(ctx, kube.Query{Args: []string{"namespace/" + namespace}}); err != nil {
		return err
	}
	if err := s.kube.CreateNamespace(ctx); err != nil {
		return err
	}
	if err := s.database.Create(ctx, namespace, password); err != nil {
		return err
	}
	return s.kube.CreateSecret(ctx, "booking-database", map[string]string{"DATABASE_URL": database.URL(namespace, password)})
}

// run types a helm command and runs it; what it prints is shown as it comes, and returned.
func (s *theatre) run(ctx context.Context, args ...string) (string, error) {
	fmt.Println(bold("$ helm " + strings.Join(args, " ")))
	cmd := exec.CommandContext(ctx, s.helm, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig)
	var out strings.Builder
	cmd.Stdout = io.MultiWriter(os.Stdout, &out)
	cmd.Stderr = cmd.Stdout
	// Helm marks an interrupted release as failed, if it is given the time.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	fmt.Println()
	return out.String(), err
}
