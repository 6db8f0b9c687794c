package tools

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	_ "github.com/shiplock/shiplock/internal/cli" // makes go test's cache depend on the program
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// binary is the path of the migrator.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	// The tools wait for statements and timeouts more than they compute.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("6")
	}
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
