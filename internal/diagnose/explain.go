package diagnose

import (
	"context"

	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lint"
)

// Explain adds to a failed migration why it failed, as far as the database and the files show it.
// following are the steps that were to run after it.
func Explain(ctx context.Context, store *history.Store, fail *executor.MigrationError, following []lint.Step) {
	fail.DataLoss = executor.DataLossFrom(fail)
	if fail.RecordingFailed = fail.RecordingFailed && fail.DataLoss == nil; fail.RecordingFailed {
		fail.Reason = recordingReason(store, fail.Err)
		return
	}
	diagnose(ctx, store, following, fail)
	fail.OwnTable = reachedOwnTable(store, fail)
}
