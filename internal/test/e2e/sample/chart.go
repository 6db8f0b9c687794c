package sample

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/shiplock/shiplock/internal/test/e2e/release"
)

// Root returns the repository's root.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// Charts are copies of the two charts outside of the repository.
type Charts struct {
	// Shiplock is the path of the product's chart, and Booking that of the sample's, which includes it.
	Shiplock, Booking string
}

// CopyCharts copies both charts into dir, in the same relative location, which the sample's dependency uses, and updates
// the dependency. It does not change the repository.
func CopyCharts(ctx context.Context, root, dir string) (Charts, error) {
	charts := Charts{
		Shiplock: filepath.Join(dir, "chart"),
		Booking:  filepath.Join(dir, "hack", "sample", "chart"),
	}
	for from, to := range map[string]string{
		filepath.Join(root, "chart"):                   charts.Shiplock,
		filepath.Join(root, "hack", "sample", "chart"): charts.Booking,
	} {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			return Charts{}, fmt.Errorf("chart: %w", err)
		}
	}
	// The result of an earlier `helm dependency build` may be outdated.
	if err := os.RemoveAll(filepath.Join(charts.Booking, "charts")); err != nil {
		return Charts{}, err
	}
	var out strings.Builder
	cmd := release.Command(&out, &out)
	cmd.SetArgs([]string{"dependency-update", charts.Booking})
	if err := cmd.ExecuteContext(ctx); err != nil {
		return Charts{}, fmt.Errorf("dependencies of the sample chart: %w\n%s", err, out.String())
	}
	return charts, nil
}
