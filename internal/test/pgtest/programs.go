package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// majorVariable is the environment variable with the major version of the test binary's server, one of hack/postgres.
// Without it, the server is the installed one.
const majorVariable = "SHIPLOCK_TEST_POSTGRES"

// ownMajor is the value of majorVariable, which Main removes from the environment of the programs under test.
var ownMajor string

// programs are the programs of the test binary's server, the folder of its files, and the user that runs it.
var programs struct {
	bin, dir string
	cred     *syscall.Credential
}

// binDir returns the folder of the server's programs, which Debian does not add to PATH.
func binDir() (string, error) {
	if p, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			p = real
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(p), "initdb")); err == nil {
			return filepath.Dir(p), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("no PostgreSQL server programs (initdb, postgres) on PATH or in /usr/lib/postgresql/*/bin; on Debian: apt-get install postgresql")
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return major(a) - major(b) })
	return filepath.Dir(newest), nil
}

func major(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
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

// credential returns the user that runs the server if the tests run as root, because PostgreSQL
// does not start as root, and makes that user the owner of dir.
func credential(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
	}
	return nil, errors.New("PostgreSQL does not run as root: create the user postgres or nobody")
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
