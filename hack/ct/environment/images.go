package environment

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/shiplock/shiplock/internal/test/e2e/cluster"
)

// ImageRegistry is the registry of every image of the chart (global.imageRegistry): the engine's name for local images.
const ImageRegistry = "localhost"

// migrator is the base of the sample's images, and the chart's default image except for its tag.
const migrator = ImageRegistry + "/shiplock/migrator:"

// LoadMigrator gives the last built migrator the tag that the chart uses, and loads it into the cluster.
func LoadMigrator(ctx context.Context, c *cluster.Cluster, root string) error {
	chart, err := chartutil.LoadChartfile(filepath.Join(root, "chart", chartutil.ChartfileName))
	if err != nil {
		return fmt.Errorf("chart: %w", err)
	}
	tag := migrator + chart.AppVersion
	if _, err := c.Engine.Run(ctx, "tag", migrator+"dev", tag); err != nil {
		return err
	}
	return c.Load(ctx, tag)
}

func readFiles(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		files[entry.Name()] = string(text)
	}
	return files, nil
}
