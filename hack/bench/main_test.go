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
	_ "github.com/shiplock/shiplock/internal/cli" // so that go test does not take an old result for that of a changed program
	"github.com/shiplock/shiplock/internal/pgtest"
)

var (
	out       = flag.String("out", "", "folder to write the raw results to; without it all is run with tiny numbers and thrown away")
	short     = flag.Bool("short-run", false, "small numbers: minutes in place of hours")
	only      = flag.String("figure", "", "take this one only: "+strings.Join(result.Names, ", "))
	inCluster = flag.Bool("cluster", false, "also take the figures that need a cluster")
)

// binaries are the programs built for this run, and the one that measures them.
var binaries struct{ dir, migrator, measure string }

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		pgtest.Main(m) // nothing is measured, so no binary is needed
	}
	dir, err := os.MkdirTemp("", "bench")
	if err == nil && *out != "" {
		err = os.Setenv("TMPDIR", os.TempDir()) // pgtest would take memory for the server's data; a figure is of a disk
	}
	if err == nil {
		err = errors.Join(build(dir), restrain(serverMemory))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	pgtest.Main(m, dir, dir+".lock")
}

// build makes the migrator as its image has it, and measure.
func build(dir string) error {
	binaries.dir, binaries.migrator, binaries.measure = dir, filepath.Join(dir, "migrator"), filepath.Join(dir, "measure")
	migrator := exec.Command(filepath.Join("..", "image.sh"))
	migrator.Env = append(os.Environ(), "OUT="+dir)
	for _, cmd := range []*exec.Cmd{migrator, exec.Command("cc", "-O2", "-Wall", "-o", binaries.measure, filepath.Join("measure", "measure.c"))} {
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", cmd, err, said)
		}
	}
	return nil
}

// serverMemory is how much a server's process may have: it keeps the trees of all
// statements that come in one message, a hundred times a text's size, and would take
// the machine with it.
const serverMemory = 8 << 30

// restrain bounds the memory of this process, and of those that it starts from now
// on; 0 is no bound.
func restrain(bytes uint64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil {
		return err
	}
	if limit.Cur = bytes; bytes == 0 {
		limit.Cur = limit.Max
	}
	return unix.Setrlimit(unix.RLIMIT_AS, &limit)
}
