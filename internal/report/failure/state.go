package failure

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/report"
)

// noChanges is the state of a database on which nothing was run.
const noChanges = "no changes were made"

// stopCode returns the exit code of a run that was stopped by its timeout or a signal, or 0.
func stopCode(err error) int {
	var timeout *interrupt.TimeoutError
	if errors.As(err, &timeout) {
		return report.ExitTimeout
	}
	var signal *interrupt.SignalError
	if errors.As(err, &signal) {
		if n, ok := signal.Signal.(syscall.Signal); ok {
			return report.ExitSignal + int(n)
		}
		return report.ExitSignal
	}
	return 0
}

// databaseState returns the version of the database and the progress of the run, or
// noChanges without a run.
func databaseState(err error) string {
	var run *migrator.RunError
	if !errors.As(err, &run) {
		return noChanges
	}
	return report.DatabaseAt(run.At()) + "; " + progress(run)
}

// progress returns how many migrations of a run are completed.
func progress(run *migrator.RunError) string {
	return fmt.Sprintf("%d of %d migrations completed, %d remaining", run.Applied, len(run.Plan.Steps), len(run.Plan.Steps)-run.Applied)
}

// statements returns a count of statements, such as "2 of 4 statements".
func statements(n, of int) string {
	return fmt.Sprintf("%d of %d statements", n, of)
}
