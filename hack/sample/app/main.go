// Command booking is Shiplock's sample application: the booking service of a small guest house.
// The demo and the end-to-end tests deploy it. It runs no migrations: it requires a schema, and /readyz fails
// while the schema is missing.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/lib/pq" // the "postgres" driver
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("booking stopped", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	needs, ok := releases[release]
	if !ok {
		return fmt.Errorf("no such release: %q", release)
	}
	// An empty data source name leaves everything to libpq's PG* variables.
	db, err := sql.Open("postgres", os.Getenv("DATABASE_URL"))
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(5)

	addr := ":8080"
	if v := os.Getenv("LISTEN"); v != "" {
		addr = v
	}
	srv := &http.Server{
		Addr:              addr,
		Handler:           newService(&store{db: db, sql: needs}),
		ReadHeaderTimeout: 5 * time.Second,
	}
	slog.Info("booking listens", "release", release, "addr", addr)
	return serve(ctx, srv)
}

// serve serves requests until ctx is done, then waits for those in progress: a rolling update must not fail a request.
func serve(ctx context.Context, srv *http.Server) error {
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	linger, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := srv.Shutdown(linger); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
