package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/test/e2e/kube"
)

// answers waits until the release serves requests (a Service drops old pods after a moment), and prints its version
// and its first booking.
func (d *demo) answers(release string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := d.show(ctx, "/version", `"release":"`+release+`"`); err != nil {
			return err
		}
		return d.show(ctx, "/bookings", `[`)
	}
}

func (d *demo) show(ctx context.Context, path, want string) error {
	var answer string
	err := kube.Until(ctx, func() (bool, error) {
		status, body, err := d.kube.HTTP(ctx, "GET", "booking:http", path, nil)
		answer = fmt.Sprintf("%d %s", status, strings.TrimSpace(string(body)))
		return err == nil && status == 200 && strings.Contains(answer, want), err
	})
	if first, rest, more := strings.Cut(answer, "},"); more {
		answer = fmt.Sprintf("%s}, and %d more]", first, strings.Count(rest, "},")+1)
	}
	fmt.Printf("  GET %-9s -> %s\n", path, answer)
	return err
}

// job prints the last line of the hook Job's log.
func (d *demo) job(ctx context.Context) error {
	var log strings.Builder
	if err := d.kube.Logs(ctx, "job-name=booking-shiplock", &log); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	fmt.Printf("  Job log:       %s\n", lines[len(lines)-1])
	return nil
}

// version prints the content of golang-migrate's version table.
func (d *demo) version(ctx context.Context) error {
	row, err := d.database.Query(ctx, namespace, namespace,
		"SELECT 'version ' || version || CASE WHEN dirty THEN ', DIRTY' ELSE ', clean' END FROM schema_migrations")
	if err != nil {
		return err
	}
	fmt.Printf("  database:      %s\n", strings.TrimSpace(row))
	return nil
}
