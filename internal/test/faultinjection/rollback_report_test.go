package faultinjection

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// rollbackTitle is the heading of the last section of docs/background/fault-injection.md.
const rollbackTitle = "## Rollbacks"

// splice replaces one of the report's two parts, rounds and rollbacks, and keeps the other.
func splice(file, rounds, rollbacks string) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	head, tail, _ := strings.Cut(string(old), rollbackTitle)
	if tail != "" {
		tail = rollbackTitle + tail
	}
	if rounds != "" {
		head = rounds
	}
	if rollbacks != "" {
		tail = rollbacks
	}
	return os.WriteFile(file, []byte(strings.TrimSpace(head)+"\n\n"+strings.TrimSpace(tail)+"\n"), 0o644)
}

// renderRollbacks returns the report's part on rollbacks as Markdown.
func renderRollbacks(tools []*tool, results []roundResult, duration time.Duration) string {
	var b strings.Builder
	b.WriteString(rollbackTitle + "\n\n")
	fmt.Fprintf(&b, "Each round has a directory for v1, and one for v2 with additional random migrations, each with a down script. The round applies v2 and rolls it back with v1's directory, "+
		"which has none of v2's files. It injects a fault into the rollback at a random moment and repeats the rollback until it succeeds. The schema must then equal the one before v2, "+
		"each down script must have run once, and it must be possible to apply v2 again.\n\n")
	fmt.Fprintf(&b, "Run: `make chaos ROUNDS=%d ROLLBACKS=%d SEED=%d%s`, %s, in %s.\n\n", *rounds, *rollbacks, *seed, arguments(), machine(), duration.Round(time.Second))
	failureTable(&b, "failed, by fault", tools, results, kindNames(), func(v roundResult) string { return string(v.kind) })
	b.WriteString("\n")
	failureTable(&b, "down scripts", tools, results, []string{string(Transactional), string(Mixed)}, func(v roundResult) string { return string(v.class) })
	b.WriteString("\n")
	summary(&b, tools, results)
	for _, tl := range tools {
		fmt.Fprintf(&b, "\nExit codes of %s after a fault:\n\n", tl.Name)
		codes(&b, tl, results)
	}
	return b.String()
}
