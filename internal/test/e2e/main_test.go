package e2e

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shiplock/shiplock/internal/test/e2e/cluster"
	"github.com/shiplock/shiplock/internal/test/e2e/database"
	"github.com/shiplock/shiplock/internal/test/e2e/sample"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

var (
	clusterName = flag.String("cluster", cluster.TestName,
		"kind cluster to use; created if it does not exist, and kept for the next run (make clean removes it)")
	keep = flag.Bool("keep", false, "keep the namespaces and databases of scenarios that passed, too")
)

// parallel is the default number of concurrent scenarios. It may exceed the number of cores, because scenarios mostly wait.
const parallel = 5

// A shared has the resources that all scenarios share.
type shared struct {
	kubeconfig string
	charts     sample.Charts
	database   *database.Server
	helm4      string
	// discovery is the folder of the commands' shared cache of API discovery.
	discovery string
}

var suite shared

func TestMain(m *testing.M) {
	testscript.Main(run{m}, commands)
}

// run runs the tests. testscript.Main calls it unless the process is one of the commands.
type run struct{ m *testing.M }

func (r run) Run() int {
	flag.Parse()
	if testing.Short() {
		return r.m.Run()
	}
	pgtest.Parallel(parallel)
	dir, err := os.MkdirTemp("", "shiplock-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	start := time.Now()
	if err := suite.build(dir, *clusterName); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	fmt.Fprintf(os.Stderr, "e2e: set up in %s\n", time.Since(start).Round(time.Second))
	return r.m.Run()
}
