// Package catalog has the migration files of each release of the sample application. Only package sample, which builds images
// and charts of them, needs Helm.
package catalog

import (
	"fmt"
	"os"
	"path/filepath"
)

// releases has the migration files of each release: versions up to last of the top-level directory, and a directory of its own.
var releases = map[string]struct{ last, own string }{
	"v1":       {last: "0005"},
	"v2":       {last: "0008"},
	"v3":       {last: "0008", own: "v3"},
	"v3-fixed": {last: "0008", own: "v3-fixed"},
}

// Migrations creates a folder and copies a release's migration files into it.
func Migrations(root, release, dir string) error {
	catalog, ok := releases[release]
	if !ok {
		return fmt.Errorf("unknown release: %s", release)
	}
	folders := []string{filepath.Join(root, "migrations")}
	if catalog.own != "" {
		folders = append(folders, filepath.Join(root, "hack", "sample", "migrations", catalog.own))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.sql"))
		if err != nil {
			return err
		}
		for _, file := range files {
			if i == 0 && filepath.Base(file)[:4] > catalog.last {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
