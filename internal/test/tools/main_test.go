package tools

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	_ "github.com/shiplock/shiplock/internal/cli" // makes go test's cache depend on the program
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/program"
)

// binary is the path of the migrator.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tools")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "migrator")
	if output, err := exec.Command("go", "build", "-o", binary, "../../../cmd/migrator").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, output)
		os.Exit(1)
	}
	pgtest.Main(m, dir)
}

// goTool returns a function that builds a tool of hack/tools.
func goTool(name string) func(testing.TB) string {
	return func(t testing.TB) string { return program.HackTool(t, name) }
}

// npm installs the npm packages and returns the folder with node_modules.
var npm = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("../../../hack/npm/install.sh").Output()
	return strings.TrimSpace(string(out)), err
})

func nodeModules(t testing.TB) string {
	t.Helper()
	dir, err := npm()
	require.NoError(t, err, "hack/npm/install.sh failed: run hack/setup.sh tools")
	return filepath.Join(dir, "node_modules")
}

// debianProgram returns a function that finds a program of a Debian package.
func debianProgram(name string) func(testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		path, err := exec.LookPath(name)
		require.NoError(t, err, "run hack/setup.sh tools")
		return path
	}
}
