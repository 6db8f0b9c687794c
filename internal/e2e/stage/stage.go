// Package stage sets up what the scenarios and the demo play on: a cluster, the images in it, a database, the charts.
package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/shiplock/shiplock/internal/e2e/cluster"
	"github.com/shiplock/shiplock/internal/e2e/database"
	"github.com/shiplock/shiplock/internal/e2e/kube"
	"github.com/shiplock/shiplock/internal/e2e/sample"
)

// Stage is ready to be played on.
type Stage struct {
	Cluster  *cluster.Cluster
	Kube     *kube.Client
	Database *database.Server
	Charts   sample.Charts
	// Root is the folder of the checkout.
	Root string
}

// Build makes a cluster of that name, or takes the one that is there, and brings in what is missing or out of date.
// Copies of the charts go to dir. What takes long is told on progress, with how long it took.
func Build(ctx context.Context, name, dir string, progress io.Writer) (*Stage, error) {
	root, err := sample.Root(ctx)
	if err != nil {
		return nil, err
	}
	s := &Stage{Root: root}
	engine, err := cluster.Detect(ctx)
	if err != nil {
		return nil, err
	}
	timer := &stepTimer{out: progress}
	var images []string
	// The cluster boots on one core while the images are built on the other.
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

// furnish brings the images and the database into the cluster.
func (s *Stage) provision(ctx context.Context, images []string, timer *stepTimer) (err error) {
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

// together runs functions at once and joins their errors.
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
