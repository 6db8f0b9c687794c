package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shiplock/shiplock/internal/e2e/cluster"
	"github.com/shiplock/shiplock/internal/e2e/sample"
)

// imageCommand is a command that runs in the tests' own process, for it needs their home and their cache:
//
//	image tools
//
// builds an image that only some scenarios need, and puts it into the cluster.
func imageCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "tools" {
		ts.Fatalf("image tools")
	}
	ts.Check(toolsImage())
}

var toolsImage = sync.OnceValue(func() error {
	const tag = "localhost/shiplock/tools:dev"
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
	cmd := exec.CommandContext(ctx, filepath.Join(root, "hack", "sample", "tools.sh"), tag)
	cmd.Env = append(os.Environ(), "SHIPLOCK_ENGINE="+c.Engine.Name)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("image %s: %w\n%s", tag, err, out)
	}
	return c.Load(ctx, tag)
})
