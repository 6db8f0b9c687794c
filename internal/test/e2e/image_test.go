package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shiplock/shiplock/internal/test/e2e/cluster"
	"github.com/shiplock/shiplock/internal/test/e2e/sample"
)

// imageCommand runs in the process of the tests, because it needs their home and cache:
//
//	image tools|helper
//
// builds an image that only some scenarios need, and loads it into the cluster.
func imageCommand(ts *testscript.TestScript, neg bool, args []string) {
	build, known := map[string]func() error{"tools": toolsImage, "helper": helperImage}[strings.Join(args, " ")]
	if neg || !known {
		ts.Fatalf("image tools|helper")
	}
	ts.Check(build())
}

var toolsImage = sync.OnceValue(func() error {
	return loadImage("localhost/shiplock/tools:dev", func(ctx context.Context, root, tag string, c *cluster.Cluster) error {
		cmd := exec.CommandContext(ctx, filepath.Join(root, "hack", "sample", "tools.sh"), tag)
		cmd.Env = append(os.Environ(), "SHIPLOCK_ENGINE="+c.Engine.Name)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})
})

var helperImage = sync.OnceValue(func() error {
	return loadImage(sample.Helper, func(ctx context.Context, root, _ string, c *cluster.Cluster) error {
		return sample.HelperImage(ctx, root, c.Engine)
	})
})

func loadImage(tag string, build func(ctx context.Context, root, tag string, c *cluster.Cluster) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	root, err := sample.Root(ctx)
	if err != nil {
		return err
	}
	c, err := cluster.Ensure(ctx, cluster.Options{Name: *clusterName})
	if err != nil {
		return err
	}
	if err := build(ctx, root, tag, c); err != nil {
		return fmt.Errorf("image %s: %w", tag, err)
	}
	return c.Load(ctx, tag)
}
