package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shiplock/shiplock/internal/test/e2e/sample"
)

// toolTimeout is the maximum time for a build. A GitOps engine has more than a thousand packages, and compiles for minutes while other
// scenarios run.
const toolTimeout = 40 * time.Minute

// toolCommand runs in the process of the tests, because it needs their home and cache:
//
//	tool argocd-sync|helm-controller
//
// builds a program of hack/tools that only some scenarios need, and sets the variable ARGOCD_SYNC or HELM_CONTROLLER to its path.
// HELM_RELEASE_CRD is the definition of HelmRelease that belongs to helm-controller.
func toolCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("tool argocd-sync|helm-controller")
	}
	ctx, cancel := context.WithTimeout(context.Background(), toolTimeout)
	defer cancel()
	root, err := sample.Root(ctx)
	ts.Check(err)
	tools := filepath.Join(root, "hack", "tools")
	path, err := output(exec.CommandContext(ctx, filepath.Join(tools, "install.sh"), args[0]))
	ts.Check(err)
	ts.Setenv(strings.ToUpper(strings.ReplaceAll(args[0], "-", "_")), strings.TrimSpace(path))
	if args[0] != "helm-controller" {
		return
	}
	module, err := moduleFolder(ctx, filepath.Join(tools, args[0]), "github.com/fluxcd/helm-controller")
	ts.Check(err)
	ts.Setenv("HELM_RELEASE_CRD", filepath.Join(module, "config", "crd", "bases", "helm.toolkit.fluxcd.io_helmreleases.yaml"))
}

// moduleFolder returns the folder of a module's source. It downloads the module if it is not in Go's cache.
func moduleFolder(ctx context.Context, dir, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GOWORK=off", "GOFLAGS=")
	text, err := output(cmd)
	if err != nil {
		return "", err
	}
	var info struct{ Dir string }
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		return "", fmt.Errorf("module %s: %w", module, err)
	}
	return info.Dir, nil
}

// output runs a command and returns its standard output. An error has its standard error.
func output(cmd *exec.Cmd) (string, error) {
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", cmd, err, out, errs.String())
	}
	return string(out), nil
}
