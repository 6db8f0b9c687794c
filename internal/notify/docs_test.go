package notify

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/report"
)

// The page's table of outcomes is complete.
func TestDocs_Outcomes_MatchCode(t *testing.T) {
	text, err := os.ReadFile("../../docs/guides/notifications.md")
	require.NoError(t, err)
	for code, o := range outcomes {
		row := regexp.MustCompile("(?m)^\\| `" + o.name + "` \\| (\\S+) \\| `" + o.reason + "` \\|$").FindStringSubmatch(string(text))
		require.NotNil(t, row, o.name)
		assert.Equal(t, Outcome(code), o.name)
	}
}

// Every exit code has an outcome and a row of the reference, which names the outcome and whether the Job
// retries.
func TestDocs_ExitCodes_MatchCode(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/exit-codes.md")
	require.NoError(t, err)
	rows := map[string][]string{} // code to the columns "the Job" and "outcome"
	for _, row := range regexp.MustCompile("(?m)^\\| ([0-9+n]+) \\|.*\\| ([^|]+) \\| `(\\S+)` \\|$").FindAllStringSubmatch(string(text), -1) {
		rows[row[1]] = row[2:]
	}
	assert.Len(t, rows, len(report.ExitCodes))
	assert.Len(t, ExitCodes(), len(report.ExitCodes))
	for _, c := range report.ExitCodes {
		number, isSignal := strings.CutSuffix(c.Code, "+n")
		code, err := strconv.Atoi(number)
		require.NoError(t, err)
		require.Contains(t, outcomes, code)
		require.Contains(t, rows, c.Code)
		job, outcome := rows[c.Code][0], rows[c.Code][1]
		assert.Equal(t, Outcome(code), outcome, c.Code)
		if isSignal {
			code += 15
		}
		switch {
		case code == report.ExitOK:
			assert.Equal(t, "succeeds", job)
		case report.IsRetried(code):
			assert.Contains(t, job, "`backoffLimit`", c.Code)
		default:
			assert.Equal(t, "fails at once", job, c.Code)
		}
	}
}
