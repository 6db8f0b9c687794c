package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// majorVariable is the environment variable with the major version of the test binary's server, one of hack/postgres.
// Without it, the server is the installed one.
const majorVariable = "SHIPLOCK_TEST_POSTGRES"

// ownMajor is the value of majorVariable, which Main removes from the environment of the programs under test.
var ownMajor string

// versions are the servers of other PostgreSQL major versions that the test binary has started. They
// end with it.
var versions = struct {
	sync.Mutex
	by map[int]*versionServer
}{by: map[int]*versionServer{}}

type versionServer struct {
	once   sync.Once
	server *instance
	err    error
}

// Version creates a database for t on a server of a PostgreSQL major version, one of hack/postgres. All
// tests of the binary share that server. Its programs are downloaded on first use; hack/setup.sh
// postgres lists the prerequisites.
func Version(t testing.TB, major int) *Database {
	t.Helper()
	require.NotNil(t, server, "the package's TestMain must call pgtest.Main")
	if ownMajor == strconv.Itoa(major) {
		return New(t)
	}
	versions.Lock()
	v := versions.by[major]
	if v == nil {
		v = &versionServer{}
		versions.by[major] = v
	}
	versions.Unlock()
	v.once.Do(func() { v.server, v.err = startVersion(major) })
	require.NoError(t, v.err, "PostgreSQL %d", major)
	return v.server.newDatabase(t, nextName())
}

func startVersion(major int) (*instance, error) {
	bin, err := versionBinDir(strconv.Itoa(major))
	if err != nil {
		return nil, err
	}
	return initialize(bin, filepath.Join(programs.dir, fmt.Sprint("data-", major)))
}

// versionBinDir installs the programs of a major version, one of hack/postgres, and returns their folder.
func versionBinDir(major string) (string, error) {
	script, err := inRepository(filepath.Join("hack", "postgres", "install.sh"))
	if err != nil {
		return "", err
	}
	fetch := exec.Command(script, major)
	var log strings.Builder
	fetch.Stderr = &log
	out, err := fetch.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", script, major, err, log.String())
	}
	installed := strings.TrimSpace(string(out))
	if programs.cred != nil { // the server's user cannot read the cache in root's home
		own := filepath.Join(programs.dir, "postgresql-"+major)
		if err := os.CopyFS(own, os.DirFS(installed)); err != nil {
			return "", err
		}
		installed = own
	}
	return filepath.Join(installed, "bin"), nil
}

func stopVersions() error {
	versions.Lock()
	defer versions.Unlock()
	var err error
	for _, v := range versions.by {
		err = errors.Join(err, v.server.stop())
	}
	return err
}

// inRepository returns the path of a file of the repository.
func inRepository(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, name), nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod in a parent folder: run the tests in the repository")
		}
	}
}
