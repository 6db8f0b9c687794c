package report

import (
	"regexp"

	"github.com/shiplock/shiplock/internal/text"
)

// Complete returns the report with the database and the effect on the release, without control
// characters and secrets, and no longer than MaxSize. redact hides secrets.
func (c Report) Complete(run Run, redact func(string) string) Report {
	c.addRun(run)
	return c.sanitized(redact)
}

// sanitized returns the report without control characters and secrets, and no longer than
// MaxSize. redact hides secrets.
func (c Report) sanitized(redact func(string) string) Report {
	hide := func(s string) string { return sqlPassword.ReplaceAllString(redact(s), "${1}'xxxxx'") }
	out := Report{Code: c.Code, Title: text.OneLine(text.Clean(hide(c.Title))), Rows: []Row{}}
	for _, r := range c.Rows {
		if r.sql == "" {
			r.Text = text.Clean(hide(r.Text))
		} else {
			if r.offset >= 0 && r.offset <= len(r.sql) {
				r.offset = len(hide(r.sql[:r.offset]))
			}
			r.Text, r.caret = excerpt(hide(r.sql), r.offset)
		}
		out.Rows = append(out.Rows, r)
	}
	return out.fit()
}

var sqlPassword = regexp.MustCompile(`(?i)(\bpassword\s+)'(?:[^']|'')*'?`)
