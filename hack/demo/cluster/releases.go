package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/shiplock/shiplock/hack/demo/console"
)

func (d *demo) v1(ctx context.Context) error {
	console.Title(os.Stdout, "1. Install version 1 of a booking service")
	console.Paragraph(os.Stdout, "The booking chart has Shiplock as a dependency: the migrations run first, as a pre-install hook,",
		"and the application starts when they are complete.")
	if _, err := d.upgrade(ctx, "v1", "v1"); err != nil {
		return err
	}
	return inTurn(ctx, d.job, d.version, d.answers("v1"))
}

func (d *demo) v2(ctx context.Context) error {
	console.Title(os.Stdout, "2. Upgrade to v2, which requires a new schema")
	console.Paragraph(os.Stdout, "v2 stores amounts in cents instead of printed prices. Three migrations add columns, backfill the",
		"existing bookings, and build an index concurrently. v1 continues to serve requests meanwhile.")
	watch := d.watch(ctx)
	if _, err := d.upgrade(ctx, "v2", "v2"); err != nil {
		return err
	}
	return inTurn(ctx, d.job, d.version, d.answers("v2"), watch.report)
}

func (d *demo) v3(ctx context.Context) error {
	console.Title(os.Stdout, "3. Upgrade to v3, whose migration fails")
	console.Paragraph(os.Stdout, "v3 adds a unique constraint on guests' e-mail addresses, but two guests are in the table twice.",
		"The upgrade fails, and Helm prints the failure report:")
	watch := d.watch(ctx)
	out, err := d.upgrade(ctx, "v3", "v3")
	var exit *exec.ExitError
	if ctx.Err() != nil || !errors.As(err, &exit) || !strings.Contains(out, "is duplicated") {
		return fmt.Errorf("expected the migration of v3 to fail, but: %v", err)
	}
	console.Paragraph(os.Stdout, "The failure report contains PostgreSQL's message and the cause. v2 still serves requests:")
	if err := inTurn(ctx, d.answers("v2"), watch.report, d.version); err != nil {
		return err
	}
	columns, err := d.database.Query(ctx, namespace, namespace,
		"SELECT string_agg(column_name, ', ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'guests'")
	if err != nil {
		return err
	}
	fmt.Printf("  columns of guests: %s\n\n", strings.TrimSpace(columns))
	console.Paragraph(os.Stdout, "Before it failed, the migration had added the column phone. It was rolled back with the rest of the",
		"migration: no manual cleanup is required.")
	return nil
}

func (d *demo) nextSteps(context.Context) error {
	console.Title(os.Stdout, "Next steps")
	kubectl := "kubectl"
	if _, err := exec.LookPath(kubectl); err != nil {
		kubectl = fmt.Sprintf("%s exec %s kubectl", d.engine, d.node)
	}
	helm := "helm"
	if _, err := exec.LookPath(helm); err != nil {
		helm = directory + "/helm"
	}
	fmt.Printf(`  export KUBECONFIG=%[1]s
  %[2]s -n %[3]s get all
  %[2]s -n %[3]s logs job/booking-shiplock          # output of the failed migration
  %[4]s -n %[3]s history booking

Upgrade to v3 with a corrected migration, which merges the duplicate guests first:

  %[4]s -n %[3]s %[5]s

Clean up:

  make clean

`, d.kubeconfig, kubectl, namespace, helm, strings.Join(d.arguments("v3", "v3-fixed"), " "))
	fmt.Printf("(completed in %s)\n", time.Since(d.start).Round(time.Second))
	return nil
}

// arguments returns Helm's arguments for a release of the application and its migrations.
func (d *demo) arguments(release, migrations string) []string {
	return []string{"upgrade", "--install", "booking", d.chart,
		"--set", "image.tag=" + release, "--set", "shiplock.image.tag=" + migrations, "--wait"}
}

// upgrade runs helm upgrade.
func (d *demo) upgrade(ctx context.Context, release, migrations string) (string, error) {
	return d.run(ctx, append([]string{"-n", namespace}, d.arguments(release, migrations)...)...)
}

func inTurn(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}
