package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/e2e/kube"
)

// answers shows that a release serves: once it is the one that answers (a Service drops old pods a moment late), its
// version and the first of its bookings.
func (s *theatre) answers(release string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := s.show(ctx, "/version", `"release":"`+release+`"`); err != nil {
			return err
		}
		return s.show(ctx, "/bookings", `[`)
	}
}

func (s *theatre) show(ctx context.Context, path, want string) error {
	var answer string
	err := kube.Until(ctx, func() (bool, error) {
		status, body, err := s.kube.HTTP(ctx, "GET", "booking:http", path, nil)
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
func (s *theatre) job(ctx context.Context) error {
	var log strings.Builder
	if err := s.kube.Logs(ctx, "job-name=booking-shiplock", &log); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	fmt.Printf("  the Job's log: %s\n", lines[len(lines)-1])
	return nil
}

// version prints what golang-migrate's table says.
func (s *theatre) version(ctx context.Context) error {
	row, err := s.database.Query(ctx, namespace, namespace,
		"SELECT 'version ' || version || CASE WHEN dirty THEN ', DIRTY' ELSE ', clean' END FROM schema_migrations")
	if err != nil {
		return err
	}
	fmt.Printf("  the database:  %s\n", strings.TrimSpace(row))
	return nil
}
