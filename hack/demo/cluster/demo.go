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

	"github.com/shiplock/shiplock/hack/demo/console"
	"github.com/shiplock/shiplock/internal/test/e2e/database"
	"github.com/shiplock/shiplock/internal/test/e2e/environment"
	"github.com/shiplock/shiplock/internal/test/e2e/kube"
	"github.com/shiplock/shiplock/internal/test/e2e/release"
	"github.com/shiplock/shiplock/internal/test/e2e/sample"
)

const (
	clusterName = "shiplock-demo"
	namespace   = "guesthouse"
	// directory contains the files that the demo's commands need, relative to the checkout.
	directory = "bin/demo"
)

// password is the password of the demo's database role. It must not occur in other output, because the migrator
// masks it there.
const password = "demo-password"

// demo is the cluster, database, and chart of the demo.
type demo struct {
	start      time.Time
	kubeconfig string
	// helm is the path of Helm 3, built from its pinned source.
	helm string
	// chart is the path of the sample application's packaged chart, relative to the checkout.
	chart    string
	kube     *kube.Client
	database *database.Server
	// engine and node are for kubectl in the kind node.
	engine, node string
}

func newDemo(ctx context.Context) (*demo, error) {
	d := &demo{}
	root, err := sample.Root(ctx)
	if err != nil {
		return nil, err
	}
	// The demo's commands name files relative to the checkout, so that they can be repeated.
	if err := os.Chdir(root); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(directory); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, err
	}
	helm := make(chan error, 1)
	go func() { helm <- d.findHelm(ctx) }()
	base, err := environment.Build(ctx, clusterName, filepath.Join(directory, "charts"), os.Stderr)
	fmt.Fprintln(os.Stderr, "compiling helm")
	if err := <-helm; err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	d.kubeconfig, d.database = base.Cluster.Kubeconfig, base.Database
	d.engine, d.node = base.Cluster.Engine.Name, base.Cluster.Name+"-control-plane"
	d.kube = base.Kube.In(namespace)
	if err := d.pack(ctx, base.Charts.Booking); err != nil {
		return nil, err
	}
	return d, d.reset(ctx)
}

func (d *demo) findHelm(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "hack/tools/install.sh", "helm3")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("helm: %w", err)
	}
	d.helm = strings.TrimSpace(string(out))
	return os.Symlink(d.helm, filepath.Join(directory, "helm"))
}

// pack packages the chart.
func (d *demo) pack(ctx context.Context, chart string) error {
	var out strings.Builder
	cmd := release.Command(&out, &out)
	cmd.SetArgs([]string{"package", chart, "--destination", directory})
	if err := cmd.ExecuteContext(ctx); err != nil {
		return fmt.Errorf("package the sample chart: %w\n%s", err, out.String())
	}
	d.chart = strings.TrimSpace(out.String())
	return os.RemoveAll(filepath.Join(directory, "charts"))
}

// reset creates an empty namespace and an empty database, and deletes those of an earlier run.
func (d *demo) reset(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := d.kube.Delete(ctx, kube.Query{Args: []string{"namespace/" + namespace}}); err != nil {
		return err
	}
	if err := d.kube.CreateNamespace(ctx); err != nil {
		return err
	}
	if err := d.database.Create(ctx, namespace, password); err != nil {
		return err
	}
	return d.kube.CreateSecret(ctx, "booking-database", map[string]string{"DATABASE_URL": database.URL(namespace, password)})
}

// run prints and runs a helm command. It prints the output, and returns it.
func (d *demo) run(ctx context.Context, args ...string) (string, error) {
	fmt.Println(console.Bold(os.Stdout, "$ helm "+strings.Join(args, " ")))
	cmd := exec.CommandContext(ctx, d.helm, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+d.kubeconfig)
	var out strings.Builder
	cmd.Stdout = io.MultiWriter(os.Stdout, &out)
	cmd.Stderr = cmd.Stdout
	// Helm marks an interrupted release as failed, if it has the time.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	fmt.Println()
	return out.String(), err
}
