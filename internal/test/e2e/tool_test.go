package e2e

import (
	"context"
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
//	tool argocd-sync
//
// builds a program of hack/tools that only some scenarios need, and sets the variable ARGOCD_SYNC to its path.
func toolCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("tool argocd-sync")
	}
	ctx, cancel := context.WithTimeout(context.Background(), toolTimeout)
	defer cancel()
	root, err := sample.Root(ctx)
	ts.Check(err)
	tools := filepath.Join(root, "hack", "tools")
	path, err := output(exec.CommandContext(ctx, filepath.Join(tools, "install.sh"), args[0]))
	ts.Check(err)
	ts.Setenv(strings.ToUpper(strings.ReplaceAll(args[0], "-", "_")), strings.TrimSpace(path))
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
