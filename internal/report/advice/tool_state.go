package advice

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/toolrun"
)

// ToolState returns how to resolve a migration that an external tool has marked as unfinished.
func ToolState(p toolrun.ToolProblem) string {
	resolve := p.Resolve
	if p.IsLock() {
		resolve += ", or run migrator exec with --on-stale-lock release"
	}
	if p.Own {
		resolve = "run migrator status to list the applied migrations, then migrator repair"
	}
	return fmt.Sprintf("resolve the tool state in %s: %s", p.Location, resolve)
}
