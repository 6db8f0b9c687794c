// Package sample builds the sample application's images and chart for the scenarios and the demo.
package sample

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/shiplock/shiplock/internal/test/e2e/sample/catalog"
)

// An Engine runs docker or podman and returns its standard output.
type Engine interface {
	Run(ctx context.Context, args ...string) (string, error)
}

// The names of the images in charts and scenarios.
const (
	Migrator   = "localhost/shiplock/migrator:dev"
	booking    = "localhost/shiplock/booking:"
	migrations = "localhost/shiplock/booking-migrations:"
)

// keyLabel is the label with the hash of an image's inputs. An image is built only if its label differs.
const keyLabel = "shiplock.key"

// Images builds the changed images of the migrator, the application's releases and their migrations, and returns their
// names.
func Images(ctx context.Context, root string, engine Engine) ([]string, error) {
	if out, err := command(ctx, root, filepath.Join(root, "hack", "image.sh"), Migrator); err != nil {
		return nil, fmt.Errorf("image %s: %w\n%s", Migrator, err, out)
	}
	tags := []string{Migrator}
	for _, release := range []string{"v1", "v2", "v3"} {
		if err := bookingImage(ctx, root, engine, release); err != nil {
			return nil, fmt.Errorf("image %s%s: %w", booking, release, err)
		}
		tags = append(tags, booking+release)
	}
	base, err := engine.Run(ctx, "image", "inspect", "--format", "{{.Id}}", Migrator)
	if err != nil {
		return nil, err
	}
	for _, release := range []string{"v1", "v2", "v3", "v3-fixed"} {
		if err := migrationsImage(ctx, root, engine, release, base); err != nil {
			return nil, fmt.Errorf("image %s%s: %w", migrations, release, err)
		}
		tags = append(tags, migrations+release)
	}
	return tags, nil
}

// Helper is an image of the migrator with v1's migrations and hack/sample/helper, for some scenarios.
const Helper = "localhost/shiplock/helper:dev"

// HelperImage builds Helper from the image of v1's migrations, which Images builds.
func HelperImage(ctx context.Context, root string, engine Engine) error {
	dir, err := os.MkdirTemp("", "shiplock-helper")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	base, err := engine.Run(ctx, "image", "inspect", "--format", "{{.Id}}", migrations+"v1")
	if err != nil {
		return err
	}
	if err := program(ctx, root, filepath.Join(dir, "helper"), "./hack/sample/helper"); err != nil {
		return err
	}
	return image(ctx, engine, Helper, filepath.Join(root, "hack", "sample", "helper.Containerfile"), dir, base)
}

func bookingImage(ctx context.Context, root string, engine Engine, release string) error {
	dir, err := os.MkdirTemp("", "shiplock-booking")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := program(ctx, root, filepath.Join(dir, "booking"), "./hack/sample/app", "-X main.release="+release); err != nil {
		return err
	}
	return image(ctx, engine, booking+release, filepath.Join(root, "hack", "sample", "app.Containerfile"), dir, "")
}

// program builds a static binary of a package.
func program(ctx context.Context, root, path, pkg string, linker ...string) error {
	flags := strings.Join(append([]string{"-s", "-w"}, linker...), " ")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", flags, "-o", path, pkg)
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

func migrationsImage(ctx context.Context, root string, engine Engine, release, base string) error {
	dir, err := os.MkdirTemp("", "shiplock-migrations")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := catalog.Migrations(root, release, filepath.Join(dir, "migrations")); err != nil {
		return err
	}
	file := filepath.Join(root, "hack", "sample", "migrations.Containerfile")
	return image(ctx, engine, migrations+release, file, dir, base)
}

// image builds a Containerfile unless the engine has the tag with the same context, file and base.
func image(ctx context.Context, engine Engine, tag, file, dir, base string) error {
	key, err := hash(base, file, dir)
	if err != nil {
		return err
	}
	have, err := engine.Run(ctx, "image", "inspect", "--format", `{{index .Config.Labels "`+keyLabel+`"}}`, tag)
	if err == nil && strings.TrimSpace(have) == key {
		return nil
	}
	_, err = engine.Run(ctx, "build", "--label", keyLabel+"="+key, "--tag", tag, "--file", file, dir)
	return err
}

func hash(base, file, dir string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, base)
	add := func(name, path string) error {
		data, err := os.ReadFile(path)
		fmt.Fprintf(sum, "%s %d\n", name, len(data))
		sum.Write(data)
		return err
	}
	if err := add("Containerfile", file); err != nil {
		return "", err
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return add(strings.TrimPrefix(path, dir), path)
	})
	return hex.EncodeToString(sum.Sum(nil)[:16]), err
}

func command(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}
