package bench

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shiplock/shiplock/hack/bench/result"
	_ "github.com/shiplock/shiplock/internal/cli" // makes go test's cache depend on the program
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/program"
)

var (
	out       = flag.String("out", "", "folder to write the raw results to; if empty, runs with small numbers and discards the results")
	short     = flag.Bool("short-run", false, "run with small numbers, in minutes instead of hours")
	only      = flag.String("figure", "", "run only this figure: "+strings.Join(result.Names, ", "))
	inCluster = flag.Bool("cluster", false, "also run the figures that need a cluster")
)

// binaries are the paths of the migrator and of the program that measures.
var binaries struct{ dir, migrator, measure string }

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		pgtest.Main(m) // the short tests need no binary
	}
	dir, err := os.MkdirTemp("", "bench")
	if err == nil && *out != "" {
		err = os.Setenv("TMPDIR", os.TempDir()) // otherwise pgtest stores the server's data in memory instead of on disk
	}
	if err == nil {
		err = errors.Join(build(dir), limitMemory(serverMemory))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	pgtest.Main(m, dir, dir+".lock")
}

// build builds the migrator and measure.
func build(dir string) (err error) {
	binaries.dir, binaries.measure = dir, filepath.Join(dir, "measure")
	if binaries.migrator, err = program.BuildMigrator(dir); err != nil {
		return err
	}
	cmd := exec.Command("cc", "-O2", "-Wall", "-o", binaries.measure, filepath.Join("measure", "measure.c"))
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, output)
	}
	return nil
}

// serverMemory is the memory limit of a server process. The parse trees of all statements of a message
// need a hundred times the size of the text, and could exhaust the machine's memory.
const serverMemory = 8 << 30

// limitMemory limits the memory of this process and of its future child processes; 0 removes the
// limit.
func limitMemory(bytes uint64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil {
		return err
	}
	if limit.Cur = bytes; bytes == 0 {
		limit.Cur = limit.Max
	}
	return unix.Setrlimit(unix.RLIMIT_AS, &limit)
}
