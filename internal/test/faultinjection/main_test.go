package faultinjection

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	_ "github.com/shiplock/shiplock/internal/cli" // makes go test's cache depend on the program
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/program"
)

// mixedByDefault reports whether a plain `go test` also generates migrations that cannot run
// in a transaction.
const mixedByDefault = true

var (
	rounds    = flag.Int("rounds", 100, "number of rounds")
	seed      = flag.Uint64("seed", 1, "seed of the first round; each further round adds one")
	mixed     = flag.Bool("mixed", mixedByDefault, "also generate migrations that cannot run in a transaction, and files that mix both")
	only      = flag.String("kind", "", "inject this fault in every round: "+strings.Join(kindNames(), ", "))
	toolNames = flag.String("tools", "shiplock", "tools to test, separated by commas: shiplock, golang-migrate, goose")
	workers   = flag.Int("workers", 6, "number of concurrent rounds; a round mostly waits")
	report    = flag.String("report", "", "Markdown file to write the report to")
)

// binary is the migrator.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		pgtest.Main(m) // the short tests start no tool
	}
	out, err := os.MkdirTemp("", "chaos")
	if err == nil {
		binary, err = program.BuildMigrator(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	pgtest.Main(m, out, out+".lock")
}
