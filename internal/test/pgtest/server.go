// Package pgtest starts a PostgreSQL server for tests: one server for each test binary, and one
// database for each test. The server listens on loopback only, has a temporary data folder, and ends
// with the test binary, also if that is killed.
package pgtest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "github.com/lib/pq" // the driver of database/sql
)

// superuser is the role that initdb creates. It needs its password, as in production.
const (
	superuser = "postgres"
	password  = "pgtest @/:?#%"
)

// startTimeout covers initdb and the first start on a busy machine.
const startTimeout = 60 * time.Second

// An instance is a running server.
type instance struct {
	port int
	cmd  *exec.Cmd
	done chan error
	end  syscall.Signal
	up   func(error) bool // reports whether the result of a connection attempt means that the server is ready
	logs bytes.Buffer
}

// server is the test binary's server.
var server *instance

func start(dir string) error {
	cred, err := credential(dir)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "pw"), []byte(password), 0o644); err != nil {
		return err
	}
	programs.dir, programs.cred = dir, cred
	if ownMajor != "" {
		programs.bin, err = versionBinDir(ownMajor)
	} else {
		programs.bin, err = binDir()
	}
	if err != nil {
		return err
	}
	server, err = initialize(programs.bin, filepath.Join(dir, "data"))
	return err
}

// initialize creates a data folder and starts a server on it.
func initialize(bin, data string) (*instance, error) {
	if err := program(filepath.Join(bin, "initdb"), "-D", data, "-U", superuser, "--pwfile", filepath.Join(programs.dir, "pw"),
		"-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return nil, err
	}
	return launch(bin, data, isUp)
}

// program runs one of PostgreSQL's programs as the server's user.
func program(path string, args ...string) error {
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password)
	cmd.Dir, cmd.SysProcAttr = programs.dir, &syscall.SysProcAttr{Credential: programs.cred}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(path), err, out)
	}
	return nil
}

// launch starts a server on a data folder and a free port, and waits until up reports that it is
// ready. It tries again if another program gets the port first.
func launch(bin, data string, up func(error) bool) (*instance, error) {
	for try := 0; ; try++ {
		s, err := run(bin, data, up)
		if err == nil || try == 4 || !strings.Contains(err.Error(), "TCP/IP socket") {
			return s, err
		}
	}
}

// isUp reports whether a connection attempt succeeded.
func isUp(err error) bool { return err == nil }

func run(bin, data string, up func(error) bool) (*instance, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &instance{port: port, done: make(chan error, 1), up: up}
	s.end = syscall.SIGQUIT // PostgreSQL's immediate shutdown
	return s, s.launch(filepath.Join(bin, "postgres"), "-D", data, "-k", "", "-p", strconv.Itoa(port),
		"-c", "listen_addresses="+host, "-c", "max_connections=200", "-c", "fsync=off",
		"-c", "wal_keep_size=128MB", // for several copies at a time
		"-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "log_min_messages=fatal")
}

// launch starts the instance's program and waits until it answers.
func (s *instance) launch(path string, args ...string) error {
	s.cmd = exec.Command(path, args...)
	s.cmd.Dir, s.cmd.Stderr = programs.dir, &s.logs
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: programs.cred, Pdeathsig: s.end}
	started := make(chan error, 1)
	go func() {
		// Pdeathsig is sent when the starting thread ends, not the process, so the thread is kept (golang/go#27505).
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.done <- s.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		s.cmd = nil
		return err
	}
	if err := s.ready(); err != nil {
		return errors.Join(err, s.stop())
	}
	return nil
}

func (s *instance) ready() error {
	db, err := sql.Open("postgres", s.keywords(superuser, password, "postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if s.up(err) {
			return nil
		}
		select {
		case exit := <-s.done:
			s.cmd = nil
			return fmt.Errorf("the server ended at once: %v\n%s", exit, s.logs.String())
		case <-ctx.Done():
			return fmt.Errorf("not ready after %s: %w", startTimeout, err)
		case <-tick.C:
		}
	}
}

func (s *instance) stop() error {
	if s == nil || s.cmd == nil {
		return nil
	}
	if err := s.cmd.Process.Signal(s.end); err != nil {
		return fmt.Errorf("stopping %s: %w", filepath.Base(s.cmd.Path), err)
	}
	<-s.done
	return nil
}

func (s *instance) keywords(user, password, database string) string {
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	return fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=disable",
		host, s.port, quote(user), quote(password), quote(database))
}
