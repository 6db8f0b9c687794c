// Package program has the programs that tests run: the migrator as its image has it, the tools of
// hack/tools, and other migration tools with their file formats and command lines. The fault-injection
// tests, the benchmarks, the chart's tests and those of cmd/migrator use it.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Root is the repository.
var Root = func() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}()

// BuildMigrator builds the migrator in the same way as its image does, and returns its path.
// ca-certificates.crt is in the same folder. env are more variables of hack/image.sh.
func BuildMigrator(dir string, env ...string) (string, error) {
	cmd := exec.Command(filepath.Join(Root, "hack", "image.sh"))
	cmd.Env = append(append(os.Environ(), "OUT="+dir), env...)
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("hack/image.sh: %w\n%s", err, output)
	}
	return filepath.Join(dir, "migrator"), nil
}

// HackTool returns the path of a tool of hack/tools, and builds it if necessary.
func HackTool(t testing.TB, name string) string {
	t.Helper()
	return LastLine(t, filepath.Join(Root, "hack", "tools", "install.sh"), name)
}

// LastLine returns the last line that a command prints to either stream.
func LastLine(t testing.TB, name string, args ...string) string {
	t.Helper()
	text, err := exec.Command(name, args...).CombinedOutput()
	require.NoErrorf(t, err, "%s: %s", name, text)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
