package chaos

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// rollbackTitle is where docs/background/fault-injection.md tells of rollbacks, to its end.
const rollbackTitle = "## Rollbacks"

// splice writes one of the report's two parts and keeps the other: the rounds, or
// the rollbacks below them.
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

// renderRollbacks is the part on rollbacks as Markdown.
func renderRollbacks(tools []*tool, results []roundResult, duration time.Duration) string {
	var b strings.Builder
	b.WriteString(rollbackTitle + "\n\n")
	fmt.Fprintf(&b, "A folder of v1, one of v2 with random migrations above it, each with a down. v2 is rolled out; then it is rolled back with v1's folder, "+
		"which has none of v2's files, and that is struck at a random moment and run again until it says that it is done. The schema must then be the one before v2, by the catalogs; "+
		"each down must have run once; and v2 must come again.\n\n")
	fmt.Fprintf(&b, "Run: `make chaos ROUNDS=%d ROLLBACKS=%d SEED=%d%s`, %s, in %s.\n\n", *rounds, *rollbacks, *seed, arguments(), machine(), duration.Round(time.Second))
	failureTable(&b, "did not end well, struck by", tools, results, kindNames(), func(v roundResult) string { return string(v.kind) })
	b.WriteString("\n")
	failureTable(&b, "downs", tools, results, []string{string(Transactional), string(Mixed)}, func(v roundResult) string { return string(v.class) })
	b.WriteString("\n")
	summary(&b, tools, results)
	for _, tl := range tools {
		fmt.Fprintf(&b, "\nExit codes of %s when struck:\n\n", tl.name)
		codes(&b, tl, results)
	}
	return b.String()
}
