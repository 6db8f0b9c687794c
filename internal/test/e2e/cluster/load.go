package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// idLabel is the label of each loaded image with the engine's id.
const idLabel = "shiplock.image-id"

// Build builds an image from a Containerfile with dir as its context. It pulls no base image: the image is FROM
// scratch or FROM an image that was built before.
func (e *Engine) Build(ctx context.Context, tag, dir, containerfile string) error {
	_, err := e.Run(ctx, "build", "--tag", tag, "--file", containerfile, dir)
	return err
}

// Load loads images of the engine into the cluster, except those that it already has. Tags must include the registry,
// localhost/…, or the kubelet pulls them. Pods use them with imagePullPolicy Never or IfNotPresent.
func (c *Cluster) Load(ctx context.Context, tags ...string) error {
	ids, missing, err := c.missing(ctx, tags)
	if err != nil || len(missing) == 0 {
		return err
	}
	if err := c.pipe(ctx, missing); err != nil {
		return err
	}
	for _, tag := range missing {
		if _, err := c.Engine.Run(ctx, "exec", c.node(), "ctr", "--namespace=k8s.io", "images", "label", tag, idLabel+"="+ids[tag]); err != nil {
			return err
		}
	}
	return nil
}

// missing returns the engine's ids of images, and the images that are missing or outdated in the cluster.
func (c *Cluster) missing(ctx context.Context, tags []string) (ids map[string]string, missing []string, err error) {
	ids, err = c.Engine.imageIDs(ctx, tags)
	if err != nil {
		return nil, nil, fmt.Errorf("%w (build it first)", err)
	}
	listing, err := c.Engine.Run(ctx, "exec", c.node(), "ctr", "--namespace=k8s.io", "images", "list")
	if err != nil {
		return nil, nil, err
	}
	there := loadedIDs(listing)
	for _, tag := range tags {
		if there[tag] != ids[tag] {
			missing = append(missing, tag)
		}
	}
	return ids, missing, nil
}

// pipe saves images from the engine straight into the node's containerd.
func (c *Cluster) pipe(ctx context.Context, tags []string) error {
	save := exec.CommandContext(ctx, c.Engine.Name, c.Engine.saveArgs(tags)...)
	load := exec.CommandContext(ctx, c.Engine.Name, "exec", "--interactive", c.node(),
		"ctr", "--namespace=k8s.io", "images", "import", "--snapshotter=overlayfs", "-")
	var saveOutput, loadOutput bytes.Buffer
	save.Stderr, load.Stderr = &saveOutput, &loadOutput
	save.WaitDelay, load.WaitDelay = 5*time.Second, 5*time.Second
	pipe, err := save.StdoutPipe()
	if err != nil {
		return err
	}
	load.Stdin = pipe
	if err := load.Start(); err != nil {
		return err
	}
	if err := save.Start(); err != nil {
		pipe.Close()
		return errors.Join(err, load.Wait())
	}
	if err := load.Wait(); err != nil {
		pipe.Close() // otherwise save waits for a reader
		return errors.Join(commandError(load, &loadOutput, err), save.Wait())
	}
	if err := save.Wait(); err != nil {
		return commandError(save, &saveOutput, err)
	}
	return nil
}

func (e *Engine) saveArgs(tags []string) []string {
	args := []string{"save"}
	if e.Name == "podman" {
		args = append(args, "--quiet", "--multi-image-archive", "--format", "docker-archive")
	}
	return append(args, tags...)
}

func (e *Engine) imageIDs(ctx context.Context, tags []string) (map[string]string, error) {
	out, err := e.Run(ctx, append([]string{"image", "inspect", "--format", "{{.Id}}"}, tags...)...)
	if err != nil {
		return nil, err
	}
	lines := strings.Fields(out)
	if len(lines) != len(tags) {
		return nil, fmt.Errorf("%s named %d ids for %d images", e.Name, len(lines), len(tags))
	}
	ids := make(map[string]string, len(tags))
	for i, tag := range tags {
		ids[tag] = strings.TrimPrefix(lines[i], "sha256:")
	}
	return ids, nil
}

// loadedIDs reads `ctr images list`: the ids that Load wrote, by tag. The labels are the last column.
func loadedIDs(listing string) map[string]string {
	ids := map[string]string{}
	for line := range strings.Lines(listing) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		for label := range strings.SplitSeq(fields[len(fields)-1], ",") {
			if id, ok := strings.CutPrefix(label, idLabel+"="); ok {
				ids[fields[0]] = id
			}
		}
	}
	return ids
}

// Postgres loads the database image for tests into the cluster and returns its name.
func (c *Cluster) Postgres(ctx context.Context) (string, error) {
	image, err := c.Engine.postgresImage(ctx, c.log)
	if err != nil {
		return "", err
	}
	if _, err := c.Engine.Run(ctx, "tag", image, PostgresImage); err != nil {
		return "", err
	}
	return PostgresImage, c.Load(ctx, PostgresImage)
}
