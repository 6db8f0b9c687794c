package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/lib/pq" // the driver of database/sql

	"github.com/shiplock/shiplock/hack/demo/console"
	"github.com/shiplock/shiplock/internal/test/e2e/sample/catalog"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

const (
	database = "guesthouse"
	// waitTimeout is the maximum time for a condition that becomes true within a second on an idle machine.
	waitTimeout = 2 * time.Minute
)

// A local is the part of the demo without a cluster.
type local struct {
	url string // of the database
	db  *sql.DB
	out *os.File
	// migrator is the program, and dir has the directory of each release.
	migrator, dir string
	// pause is the time for which a viewer sees the index being built.
	pause time.Duration
}

// play runs the local part on a temporary server, with the migration files below root, which it copies to l.dir.
func (l *local) play(ctx context.Context, root string) error {
	server, stop, err := pgtest.StartServer()
	if err != nil {
		return err
	}
	defer func() { _ = stop() }() // the server ends with this process, too
	if err := l.create(ctx, server, root); err != nil {
		return err
	}
	defer l.db.Close()
	start := time.Now()
	for _, part := range []func(context.Context) error{l.apply, l.kill, l.fail, l.rollBack} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintf(l.out, "(completed in %s)\n", time.Since(start).Round(100*time.Millisecond))
	return nil
}

// create creates the database and the migration directories of the application's releases.
func (l *local) create(ctx context.Context, server, root string) error {
	if err := os.RemoveAll(l.dir); err != nil {
		return err
	}
	for _, release := range []string{"v1", "v2", "v3"} {
		if err := catalog.Migrations(root, release, filepath.Join(l.dir, release)); err != nil {
			return err
		}
	}
	admin, err := sql.Open("postgres", server)
	if err != nil {
		return err
	}
	defer admin.Close()
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+database); err != nil {
		return err
	}
	u, err := url.Parse(server)
	if err != nil {
		return err
	}
	u.Path = "/" + database
	l.url = u.String()
	l.db, err = sql.Open("postgres", l.url)
	return err
}

// command returns the command of the migrator, and prints it.
func (l *local) command(ctx context.Context, args ...string) *exec.Cmd {
	fmt.Fprintln(l.out, console.Bold(l.out, "$ migrator "+strings.Join(args, " ")))
	cmd := exec.CommandContext(ctx, l.migrator, args...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+l.url)
	cmd.Stdout, cmd.Stderr = l.out, l.out
	return cmd
}

// run runs the migrator and returns its exit code.
func (l *local) run(ctx context.Context, args ...string) (code int, err error) {
	err = l.command(ctx, args...).Run()
	fmt.Fprintln(l.out)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// expect runs the migrator and returns an error unless it exits with the code.
func (l *local) expect(ctx context.Context, want int, args ...string) error {
	code, err := l.run(ctx, args...)
	if err == nil && code != want {
		err = fmt.Errorf("migrator %s: exit code %d, expected %d", args[0], code, want)
	}
	return err
}

func (l *local) apply(ctx context.Context) error {
	console.Title(l.out, "1. Apply the migrations of version 1")
	return l.expect(ctx, 0, "up", "--source", filepath.Join(l.dir, "v1"))
}

func (l *local) kill(ctx context.Context) error {
	console.Title(l.out, "2. SIGKILL in the middle of the migrations of version 2")
	console.Paragraph(l.out, "Its last migration builds an index concurrently. A long read of the application delays the index, and the",
		"migrator is killed meanwhile:")
	// CREATE INDEX CONCURRENTLY waits for all older snapshots of the database; this one locks no table.
	application, err := l.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return err
	}
	defer func() { _ = application.Rollback() }()
	if _, err := application.ExecContext(ctx, "SELECT 1"); err != nil {
		return err
	}
	up := l.command(ctx, "up", "--source", filepath.Join(l.dir, "v2"))
	if err := up.Start(); err != nil {
		return err
	}
	err = l.until(ctx, "the index to be built", `SELECT count(*) > 0 FROM pg_stat_activity
		WHERE query ~ 'CREATE INDEX CONCURRENTLY' AND state = 'active' AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()`)
	if err == nil {
		select {
		case <-ctx.Done():
		case <-time.After(l.pause):
		}
	}
	if err := errors.Join(err, up.Process.Kill()); err != nil {
		return errors.Join(err, up.Wait())
	}
	_ = up.Wait() // signal: killed
	if console.IsTerminal(l.out) {
		fmt.Fprint(l.out, "\r\033[J") // the killed program leaves its progress bar
	}
	fmt.Fprintf(l.out, "%s\n\n", console.Bold(l.out, "$ kill -KILL "+fmt.Sprint(up.Process.Pid)))
	if err := application.Rollback(); err != nil {
		return err
	}
	err = l.until(ctx, "the server to end the killed session", `SELECT count(*) = 0 FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'`)
	if err != nil {
		return err
	}
	console.Paragraph(l.out, "The next run reads what was applied, and completes the rest:")
	if err := l.expect(ctx, 0, "up", "--source", filepath.Join(l.dir, "v2")); err != nil {
		return err
	}
	return l.value(ctx, "index", `SELECT relname || CASE WHEN indisvalid THEN ', valid' ELSE ', INVALID' END
		FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = 'bookings_guest_idx'`)
}

func (l *local) fail(ctx context.Context) error {
	console.Title(l.out, "3. A migration that fails")
	console.Paragraph(l.out, "Version 3 adds a unique constraint on guests' e-mail addresses, but two guests are in the table twice:")
	if err := l.expect(ctx, 6, "up", "--source", filepath.Join(l.dir, "v3")); err != nil {
		return err
	}
	return l.value(ctx, "database", `SELECT 'version ' || version || CASE WHEN dirty THEN ', DIRTY' ELSE ', clean' END FROM schema_migrations`)
}

func (l *local) rollBack(ctx context.Context) error {
	console.Title(l.out, "4. Roll back to version 1")
	console.Paragraph(l.out, "The amounts of version 2 would be lost, so the migrator refuses at first:")
	down := []string{"down", "--to", "5", "--source", filepath.Join(l.dir, "v2")}
	if err := l.expect(ctx, 5, down...); err != nil {
		return err
	}
	if err := l.expect(ctx, 0, append(down, "--allow-data-loss")...); err != nil {
		return err
	}
	return l.expect(ctx, 0, "history")
}

// value prints the result of a query.
func (l *local) value(ctx context.Context, name, query string) error {
	var value string
	if err := l.db.QueryRowContext(ctx, query).Scan(&value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(l.out, "  %s: %s\n", name, value)
	return nil
}

// until waits until a query returns true.
func (l *local) until(ctx context.Context, what, query string) error {
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	for {
		var ok bool
		err := l.db.QueryRowContext(ctx, query).Scan(&ok)
		if ok || err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
