// Package environment sets up the environment of the scenarios and the demo: a cluster with images, a database and charts.
package environment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/shiplock/shiplock/internal/test/e2e/cluster"
	"github.com/shiplock/shiplock/internal/test/e2e/database"
	"github.com/shiplock/shiplock/internal/test/e2e/kube"
	"github.com/shiplock/shiplock/internal/test/e2e/sample"
)

// An Environment is ready for use.
type Environment struct {
	Cluster  *cluster.Cluster
	Kube     *kube.Client
	Database *database.Server
	Charts   sample.Charts
	// Root returns the repository's root.
	Root string
}

// Build creates a cluster, or uses the existing one, and loads missing and outdated images. It copies the charts to dir, and
// writes the duration of long steps to progress.
func Build(ctx context.Context, name, dir string, progress io.Writer) (*Environment, error) {
	root, err := sample.Root(ctx)
	if err != nil {
		return nil, err
	}
	s := &Environment{Root: root}
	engine, err := cluster.Detect(ctx)
	if err != nil {
		return nil, err
	}
	timer := &stepTimer{out: progress}
	var images []string
	// The cluster starts while the images are built.
	err = concurrently(
		func() (err error) {
			defer timer.since(time.Now(), "cluster "+name)
			s.Cluster, err = cluster.Ensure(ctx, cluster.Options{Name: name, Log: progress})
			return err
		},
		func() (err error) {
			defer timer.since(time.Now(), "images of the migrator and the sample application")
			images, err = sample.Images(ctx, root, engine)
			return err
		},
		func() (err error) {
			s.Charts, err = sample.CopyCharts(ctx, root, dir)
			return err
		},
	)
	if err != nil {
		return nil, err
	}
	return s, s.provision(ctx, images, timer)
}

// provision loads the images and starts the database in the cluster.
func (s *Environment) provision(ctx context.Context, images []string, timer *stepTimer) (err error) {
	s.Kube, err = kube.New(s.Cluster.Kubeconfig, "default")
	if err != nil {
		return err
	}
	return concurrently(
		func() error {
			defer timer.since(time.Now(), "images in the cluster")
			return s.Cluster.Load(ctx, images...)
		},
		func() (err error) {
			defer timer.since(time.Now(), "database in the cluster")
			image, err := s.Cluster.Postgres(ctx)
			if err != nil {
				return err
			}
			s.Database, err = database.Deploy(ctx, s.Kube, image)
			return err
		},
	)
}

// concurrently runs functions concurrently and joins their errors.
func concurrently(functions ...func() error) error {
	errs := make([]error, len(functions))
	var wait sync.WaitGroup
	for i, f := range functions {
		wait.Go(func() { errs[i] = f() })
	}
	wait.Wait()
	return errors.Join(errs...)
}

type stepTimer struct {
	mu  sync.Mutex
	out io.Writer
}

func (t *stepTimer) since(start time.Time, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, "  %4.0fs  %s\n", time.Since(start).Seconds(), what)
}
