package pgtest

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// Main starts a server, runs a package's tests, and removes the given files. Call it from TestMain. The server is the
// installed one, or that of hack/postgres whose major version SHIPLOCK_TEST_POSTGRES names. If PostgreSQL's programs are not
// installed, it prints the command that installs them and exits.
func Main(m *testing.M, remove ...string) {
	ownMajor = os.Getenv(majorVariable)
	// In GitHub Actions, the programs under test must not act as a step of the workflow.
	for _, name := range []string{"GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", majorVariable} {
		_ = os.Unsetenv(name)
	}
	dir, removeDir, err := folder()
	if err == nil {
		err = start(dir)
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
	} else {
		code = m.Run()
	}
	err = errors.Join(server.stop(), stopVersions())
	if removeDir != nil {
		err = errors.Join(err, removeDir())
	}
	for _, path := range remove {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = 1
	}
	os.Exit(code)
}
