// Package charttest renders charts like Helm and decodes the result like Kubernetes.
package charttest

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
)

// Load returns the chart in dir with its dependencies, which it reads from the directories of their file:// repositories. Unlike "helm
// dependency build", it creates no packages in the checkout and never reads a stale one.
func Load(dir string) (*chart.Chart, error) {
	c, err := loader.LoadDir(dir)
	if err != nil {
		return nil, err
	}
	loaded := map[string]*chart.Chart{}
	for _, d := range c.Dependencies() {
		loaded[d.Name()] = d
	}
	for _, req := range c.Metadata.Dependencies {
		path, local := strings.CutPrefix(req.Repository, "file://")
		if !local {
			continue
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		sub, err := Load(path)
		if err != nil {
			return nil, fmt.Errorf("dependency %s of %s: %w", req.Name, dir, err)
		}
		if err := satisfies(sub, req); err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		loaded[sub.Name()] = sub
	}
	c.SetDependencies()
	for _, sub := range loaded {
		c.AddDependency(sub)
	}
	return c, nil
}

func satisfies(sub *chart.Chart, req *chart.Dependency) error {
	want, err := semver.NewConstraint(req.Version)
	if err != nil {
		return fmt.Errorf("dependency %s: version %q: %w", req.Name, req.Version, err)
	}
	got, err := semver.NewVersion(sub.Metadata.Version)
	if err != nil {
		return fmt.Errorf("dependency %s: version %q: %w", req.Name, sub.Metadata.Version, err)
	}
	if sub.Name() != req.Name || !want.Check(got) {
		return fmt.Errorf("dependency %s %s: its directory contains %s %s", req.Name, req.Version, sub.Name(), got)
	}
	return nil
}
