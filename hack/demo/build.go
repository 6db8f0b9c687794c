package main

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// background starts a command with less processor time than those of the foreground.
var background = []string{"nice", "-n", "10"}

// build compiles a package, and reports how many of the packages that it needs are compiled. prefix has the first words of its
// command.
func build(ctx context.Context, report func(string), name, path, pkg string, prefix ...string) error {
	// A package is stale if it is not in Go's build cache.
	out, err := exec.CommandContext(ctx, "go", "list", "-deps", "-f", "{{.Stale}}", pkg).Output()
	if err != nil {
		return fmt.Errorf("go list %s: %w", pkg, err)
	}
	total, start := strings.Count(string(out), "true"), time.Now()
	args := append(append([]string{}, prefix...), "go", "build", "-v", "-o", path, pkg)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var messages strings.Builder
	done := 0
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "go: downloading "):
			report(name + ": " + strings.TrimPrefix(line, "go: "))
			continue
		case strings.ContainsAny(line, " #\t"): // an error of the compiler
			fmt.Fprintln(&messages, line)
			continue
		}
		done++ // -v prints the packages that are compiled
		left := time.Duration(float64(time.Since(start)) * float64(total-done) / float64(done)).Round(time.Second)
		report(fmt.Sprintf("%s: %d of %d packages, %s left", name, done, max(done, total), max(left, 0)))
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, messages.String())
	}
	return nil
}
