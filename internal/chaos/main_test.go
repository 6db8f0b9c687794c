package chaos

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/shiplock/shiplock/internal/cli" // so that go test does not take an old result for that of a changed program
	"github.com/shiplock/shiplock/internal/pgtest"
)

// mixedByDefault adds migrations that cannot run in a transaction to the sets of
// a plain `go test`.
const mixedByDefault = true

var (
	rounds    = flag.Int("rounds", 100, "number of rounds")
	seed      = flag.Uint64("seed", 1, "seed of the first round; the next round's is one more")
	mixed     = flag.Bool("mixed", mixedByDefault, "also make migrations that cannot run in a transaction, and files that mix both")
	only      = flag.String("kind", "", "strike in this one way in every round: "+strings.Join(kindNames(), ", "))
	toolNames = flag.String("tools", "shiplock", "tools to strike, separated by commas: shiplock, golang-migrate, goose")
	workers   = flag.Int("workers", 6, "rounds at a time; most of a round is waiting")
	report    = flag.String("report", "", "file to write the result to, as Markdown")
)

// root is the repository; binary is the migrator.
var root, binary string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		pgtest.Main(m) // nothing is struck, so no binary is needed
	}
	out, err := os.MkdirTemp("", "chaos")
	if err == nil {
		err = build(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	pgtest.Main(m, out, out+".lock")
}

// build makes the binary as the image has it.
func build(out string) (err error) {
	if root, err = filepath.Abs("../.."); err != nil {
		return err
	}
	binary = filepath.Join(out, "migrator")
	cmd := exec.Command(filepath.Join(root, "hack", "image.sh"))
	cmd.Env = append(os.Environ(), "OUT="+out)
	if commandOutput, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("hack/image.sh: %w\n%s", err, commandOutput)
	}
	return nil
}
