package advice

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/exectool"
)

// MaxSessions is the most sessions listed, and the most statements that terminate them.
const MaxSessions = 5

// EndSessions returns the first step of the advice if sessions or prepared
// transactions of the tool remain.
func EndSessions(r exectool.ToolLeftovers) string {
	var steps []string
	for _, s := range r.Sessions {
		if s.Fate == exectool.SessionRemains {
			steps = append(steps, fmt.Sprintf("SELECT pg_terminate_backend(%d);", s.PID))
		}
	}
	advice := ""
	if len(steps) > 0 {
		advice = "wait for the sessions above to end, or terminate those of the tool: " + strings.Join(steps[:min(len(steps), MaxSessions)], " ")
	}
	if len(r.Prepared) > 0 {
		if advice != "" {
			advice += "; "
		}
		p := r.Prepared[0]
		advice += "commit or roll back the prepared transactions: " + p.Statement("COMMIT") + " or " + p.Statement("ROLLBACK")
	}
	return advice
}
