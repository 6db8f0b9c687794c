package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

func (s *theatre) v1(ctx context.Context) error {
	title("1. A booking service goes live")
	say("Booking v1 is installed into an empty database. Its chart has Shiplock as a dependency, so the",
		"migrations run first, as a pre-install hook. Only then does the application start.")
	if _, err := s.upgrade(ctx, "v1", "v1"); err != nil {
		return err
	}
	return inTurn(ctx, s.job, s.version, s.answers("v1"))
}

func (s *theatre) v2(ctx context.Context) error {
	title("2. v2 needs a new schema")
	say("v2 reckons in cents where v1 kept printed prices. Three migrations bring the columns, a backfill of",
		"what was booked, and an index built concurrently. v1 goes on serving while they run.")
	watch := s.watch(ctx)
	if _, err := s.upgrade(ctx, "v2", "v2"); err != nil {
		return err
	}
	return inTurn(ctx, s.job, s.version, s.answers("v2"), watch.report)
}

func (s *theatre) v3(ctx context.Context) error {
	title("3. v3 would not fit the data")
	say("v3 wants every guest's e-mail address to be unique. On the developer's machine it was. In production",
		"two guests are in the table twice. This upgrade has to fail, and it does:")
	watch := s.watch(ctx)
	out, err := s.upgrade(ctx, "v3", "v3")
	var exit *exec.ExitError
	if ctx.Err() != nil || !errors.As(err, &exit) || !strings.Contains(out, "is duplicated") {
		return fmt.Errorf("v3 was to be refused because of its migration, but: %v", err)
	}
	say("PostgreSQL's own message stands in helm's output: that is what the CI log shows. And the service?")
	if err := inTurn(ctx, s.answers("v2"), watch.report, s.version); err != nil {
		return err
	}
	columns, err := s.database.Query(ctx, namespace, namespace,
		"SELECT string_agg(column_name, ', ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'guests'")
	if err != nil {
		return err
	}
	fmt.Printf("  columns of guests: %s\n\n", strings.TrimSpace(columns))
	say("Before it failed, v3's migration had added a column phone. It is not there: a migration happens",
		"whole or not at all. v2 serves on the schema it knows, and nothing has to be cleaned up by hand.")
	return nil
}

func (s *theatre) epilogue(context.Context) error {
	title("Look around")
	kubectl := "kubectl"
	if _, err := exec.LookPath(kubectl); err != nil {
		kubectl = fmt.Sprintf("%s exec %s kubectl", s.engine, s.node)
	}
	helm := "helm"
	if _, err := exec.LookPath(helm); err != nil {
		helm = folder + "/helm"
	}
	fmt.Printf(`  export KUBECONFIG=%[1]s
  %[2]s -n %[3]s get all
  %[2]s -n %[3]s logs job/booking-shiplock          # what the failed migration said
  %[4]s -n %[3]s history booking

Let v3 through, with a migration that merges the guests first:

  %[4]s -n %[3]s %[5]s

Clean up:

  make clean

`, s.kubeconfig, kubectl, namespace, helm, strings.Join(s.arguments("v3", "v3-fixed"), " "))
	fmt.Printf("(%s since the start)\n", time.Since(s.start).Round(time.Second))
	return nil
}

// arguments of helm for a release of the application and the migrations that it brings.
func (s *theatre) arguments(release, migrations string) []string {
	return []string{"upgrade", "--install", "booking", s.chart,
		"--set", "image.tag=" + release, "--set", "shiplock.image.tag=" + migrations, "--wait"}
}

// upgrade runs helm as a person would.
func (s *theatre) upgrade(ctx context.Context, release, migrations string) (string, error) {
	return s.run(ctx, append([]string{"-n", namespace}, s.arguments(release, migrations)...)...)
}

func inTurn(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func title(text string) {
	fmt.Printf("\n%s\n\n", bold(text))
}

// bold is for terminals; a log gets plain text.
func bold(text string) string {
	if info, err := os.Stdout.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\033[1m" + text + "\033[0m"
}

func say(lines ...string) {
	for _, line := range lines {
		fmt.Println(line)
	}
	fmt.Println()
}
