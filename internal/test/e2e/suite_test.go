package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/test/e2e/environment"
)

// build sets up the cluster, images and charts that the scenarios share. Without a cache, the cluster's programs alone compile
// for several minutes on two cores.
func (s *shared) build(dir, clusterName string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Minute)
	defer cancel()
	base, err := environment.Build(ctx, clusterName, filepath.Join(dir, "charts"), os.Stderr)
	if err != nil {
		return err
	}
	// Helm 4 is used as a program only: its module conflicts with Helm 3's.
	install := exec.CommandContext(ctx, filepath.Join(base.Root, "hack", "tools", "install.sh"), "helm4")
	install.Stderr = os.Stderr
	output, err := install.Output()
	if err != nil {
		return fmt.Errorf("helm 4: %w", err)
	}
	*s = shared{
		kubeconfig: base.Cluster.Kubeconfig, charts: base.Charts, database: base.Database,
		helm4: strings.TrimSpace(string(output)), discovery: filepath.Join(dir, "discovery"),
	}
	return nil
}
