package sample

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/shiplock/shiplock/internal/e2e/release"
)

// Root is the folder of the checkout.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// Charts are copies of the two charts outside of the checkout.
type Charts struct {
	// Shiplock is the product's chart, Booking the sample's, with the product's inside.
	Shiplock, Booking string
}

// CopyCharts copies both charts into dir, as they lie to each other in the checkout because the sample names the
// product's by a relative path, and fetches the dependency. The checkout itself stays untouched.
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
	// What a developer's own `helm dependency build` has left there may be older than the chart beside it.
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
