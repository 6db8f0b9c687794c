package failure

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/script"
)

// The reason of the stop is in the title, because the server's message, "canceling statement due to
// user request", is not shown.
func TestDiagnose_StoppedMigration_TitleHasReason(t *testing.T) {
	script, err := script.ParseScript([]byte("SELECT 1;\nVACUUM;\nSELECT 2;\n"))
	require.NoError(t, err)
	timeout := &interrupt.TimeoutError{Limit: 3 * time.Second, Setting: "--timeout"}
	for name, c := range map[string]struct {
		outcome migrationerror.Outcome
		stop    error
		code    int
		title   string
	}{
		"timeout, rolled back":       {migrationerror.RolledBack, timeout, report.ExitTimeout, "migration 1_a.up.sql was interrupted (timed out after 3s (--timeout)) and rolled back; "},
		"timeout, partially applied": {migrationerror.PartiallyApplied, timeout, report.ExitTimeout, "migration 1_a.up.sql was interrupted (timed out after 3s (--timeout)) and is partially applied (1 of 3 statements)"},
		"signal, partially applied":  {migrationerror.PartiallyApplied, &interrupt.SignalError{Signal: syscall.SIGTERM}, report.ExitSignal + 15, "migration 1_a.up.sql was interrupted (stopped by SIGTERM) and is partially applied (1 of 3 statements)"},
		"signal, unknown":            {migrationerror.Unknown, &interrupt.SignalError{Signal: os.Signal(syscall.SIGINT)}, report.ExitSignal + 2, "migration 1_a.up.sql was interrupted (stopped by SIGINT); it is unknown whether its last statement took effect"},
	} {
		t.Run(name, func(t *testing.T) {
			failure := &migrationerror.Error{File: "1_a.up.sql", FileVersion: 1, Direction: "up", Version: 1, Before: -1, Script: script,
				Outcome: c.outcome, StatementsApplied: 1, FailedIndex: 1, Offset: -1, Err: c.stop}
			got := Report(failure, report.Run{Command: "up"}, func(s string) string { return s })
			assert.Equal(t, c.code, got.Code)
			assert.Contains(t, got.Title, c.title)
		})
	}
}
