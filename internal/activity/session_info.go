package activity

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// A SessionInfo describes another session: one that blocks a statement or holds a lock.
type SessionInfo struct {
	PID         int    `json:"pid"` // 0 for a prepared transaction
	Application string `json:"application_name"`
	State       string `json:"state"`
	Seconds     int64  `json:"seconds"`
	Query       string `json:"query"`
}

// hiddenQuery is the query that pg_stat_activity shows without the privilege to see it.
const hiddenQuery = "<insufficient privilege>"

// quotedPassword matches a password in the SQL of another session, which may be truncated.
var quotedPassword = regexp.MustCompile(`(?i)(\bpassword\s*=?\s*E?)'(?:[^']|'')*'?`)

func (s SessionInfo) String() string {
	if s.PID == 0 {
		return "a prepared transaction (pg_prepared_xacts lists them)"
	}
	parts := []string{fmt.Sprintf("pid %d", s.PID)}
	if s.Application != "" {
		parts = append(parts, fmt.Sprintf("application_name %q", s.Application))
	}
	if s.State != "" {
		parts = append(parts, s.State)
	}
	parts = append(parts, fmt.Sprintf("for %s", time.Duration(s.Seconds)*time.Second))
	if s.Query == hiddenQuery {
		s.Query = ""
	}
	if q := strings.Join(strings.Fields(quotedPassword.ReplaceAllString(s.Query, "${1}'xxxxx'")), " "); q != "" {
		parts = append(parts, fmt.Sprintf("query %q", q))
	}
	return strings.Join(parts, ", ")
}

// SessionTexts returns the descriptions of sessions.
func SessionTexts(sessions []SessionInfo) []string {
	var out []string
	for _, s := range sessions {
		out = append(out, s.String())
	}
	return out
}
