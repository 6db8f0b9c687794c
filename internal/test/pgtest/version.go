package pgtest

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

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

func stopVersions() error {
	versions.Lock()
	defer versions.Unlock()
	var err error
	for _, v := range versions.by {
		err = errors.Join(err, v.server.stop())
	}
	return err
}
