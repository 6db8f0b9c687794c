package faultinjection

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

const serverTimeout = 60 * time.Second // for start or recovery on a busy machine

// A server is a PostgreSQL server of this package, which faults restart. Its programs and their
// user are those of pgtest's server.
type server struct {
	bin, data string
	port      int
	cred      *syscall.Credential
	cmd       *exec.Cmd
	done      chan error
	databases int
}

func newServer(t *testing.T, n int) *server {
	t.Helper()
	d := pgtest.New(t)
	bin := d.Value(t, `SELECT setting FROM pg_config WHERE name = 'BINDIR'`)
	model := d.Value(t, `SHOW data_directory`)
	info, err := os.Stat(model)
	require.NoError(t, err)
	s := &server{bin: bin, data: filepath.Join(filepath.Dir(model), fmt.Sprint("chaos", n))}
	if stat := info.Sys().(*syscall.Stat_t); os.Geteuid() == 0 {
		s.cred = &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}
	}
	out, err := s.command("initdb", "-D", s.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput()
	require.NoError(t, err, "%s", out)
	s.port, err = pgtest.FreePort()
	require.NoError(t, err)
	require.NoError(t, s.start())
	t.Cleanup(func() { require.NoError(t, s.stop(syscall.SIGQUIT)) })
	return s
}

func (s *server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = filepath.Dir(s.data)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	return cmd
}

// start starts the server and returns when it answers. Commits are synchronous, so that they
// survive a crash of the server. A crash of the machine is not tested.
func (s *server) start() error {
	s.cmd = s.command("postgres", "-D", s.data, "-k", "", "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "log_min_messages=fatal")
	s.cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT // the server ends with the test
	s.done = make(chan error, 1)
	started, cmd, done := make(chan error), s.cmd, s.done
	go func() {
		runtime.LockOSThread() // Pdeathsig is about the starting thread (golang/go#27505)
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	db, err := sql.Open("postgres", s.url("postgres", "postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	for deadline := time.Now().Add(serverTimeout); ; {
		err := db.Ping()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case err := <-s.done:
			return fmt.Errorf("the restarted server has ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop shuts the server down: SIGINT is PostgreSQL's "fast", SIGQUIT its "immediate".
func (s *server) stop(how syscall.Signal) error {
	if err := s.cmd.Process.Signal(how); err != nil {
		return fmt.Errorf("stopping the server: %w", err)
	}
	select {
	case <-s.done:
		return nil
	case <-time.After(serverTimeout):
		return errors.Join(errors.New("the server did not stop"), s.cmd.Process.Kill())
	}
}

func (s *server) url(user, database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", user, s.port, database)
}

// database creates an empty database and drops it when the test ends.
func (s *server) database(t *testing.T) *database {
	t.Helper()
	s.databases++
	name := fmt.Sprint("chaos", s.databases)
	cluster, err := sql.Open("postgres", s.url("postgres", "postgres"))
	require.NoError(t, err)
	run := func(db *sql.DB, query string) {
		_, err := db.Exec(query)
		require.NoError(t, err, query)
	}
	run(cluster, "CREATE ROLE "+name+" LOGIN")
	run(cluster, "CREATE DATABASE "+name+" OWNER "+name)
	admin, err := sql.Open("postgres", s.url("postgres", name))
	require.NoError(t, err)
	run(admin, "GRANT ALL ON SCHEMA public TO "+name)
	t.Cleanup(func() {
		require.NoError(t, admin.Close())
		run(cluster, "DROP DATABASE "+name+" WITH (FORCE)")
		run(cluster, "DROP ROLE "+name)
		require.NoError(t, cluster.Close())
	})
	return &database{addr: fmt.Sprint("127.0.0.1:", s.port), owner: name, url: s.url(name, name), admin: admin, server: s}
}
