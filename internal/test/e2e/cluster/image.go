package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"
)

const (
	nodeBuild = "hack/node/build.sh"

	officialPostgres = "postgres:17"
	// PostgresImage is the name of the database image in the engine and in the node. The official image and
	// hack/node's both take POSTGRES_PASSWORD, POSTGRES_USER, POSTGRES_DB and PGDATA, and server options as
	// arguments.
	PostgresImage = "localhost/shiplock/postgres:dev"

	// The time for which a registry that did not answer is considered unreachable.
	unreachableFor = 6 * time.Hour
)

// nodeImage returns the image for nodes: the requested one, kind's own, or hack/node's.
func (e *Engine) nodeImage(ctx context.Context, log io.Writer) (string, error) {
	if image := os.Getenv("SHIPLOCK_NODE_IMAGE"); image != "" {
		return image, nil
	}
	return e.obtain(ctx, defaults.Image, "node", log)
}

// postgresImage returns the database image.
func (e *Engine) postgresImage(ctx context.Context, log io.Writer) (string, error) {
	if image := os.Getenv("SHIPLOCK_POSTGRES_IMAGE"); image != "" {
		return image, nil
	}
	return e.obtain(ctx, officialPostgres, "postgres", log)
}

// ObtainImages pulls or builds the images of nodes and database, as the creation of a cluster does. It shows the progress of
// a build on log.
func ObtainImages(ctx context.Context, log io.Writer) error {
	engine, err := Detect(ctx)
	if err != nil {
		return err
	}
	for _, image := range []func(context.Context, io.Writer) (string, error){engine.nodeImage, engine.postgresImage} {
		if _, err := image(ctx, log); err != nil {
			return err
		}
	}
	return nil
}

// obtain returns the public image if the engine has it or can pull it, and otherwise the one that hack/node builds.
func (e *Engine) obtain(ctx context.Context, public, own string, log io.Writer) (string, error) {
	if e.has(ctx, public) {
		return public, nil
	}
	if e.reachable(ctx, public) {
		fmt.Fprintf(log, "pulling %s\n", public)
		if _, err := e.Run(ctx, "pull", public); err != nil {
			return "", err
		}
		return public, nil
	}
	return e.buildOwn(ctx, own, log)
}

// reachable reports whether the registry has the image's manifest. It caches a negative result for a while.
func (e *Engine) reachable(ctx context.Context, image string) bool {
	mark := filepath.Join(CacheDir(), "registry-unreachable-"+e.Name)
	if info, err := os.Stat(mark); err == nil && time.Since(info.ModTime()) < unreachableFor {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if _, err := e.Run(ctx, "manifest", "inspect", image); err != nil {
		_ = replaceFile(mark, []byte(err.Error()+"\n")) // without it, the next run repeats the request
		return false
	}
	return true
}

// buildOwn runs hack/node, which returns at once if its image exists.
func (e *Engine) buildOwn(ctx context.Context, name string, log io.Writer) (string, error) {
	root, err := checkout()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, nodeBuild), name)
	cmd.Env = append(os.Environ(), "SHIPLOCK_ENGINE="+e.Name)
	var out, output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(&output, log)
	if file, ok := log.(*os.File); ok {
		cmd.Stderr = file // which may be a terminal, for the progress bar
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return "", commandError(cmd, &output, err)
	}
	return string(bytes.TrimSpace(out.Bytes())), nil
}

// checkout returns the repository's root, above the working directory.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, nodeBuild)); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%s is not above the working directory: run this inside the checkout", nodeBuild)
}
