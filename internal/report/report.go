// Package report turns the result of a run into an exit code and a failure report: the
// one-screen answer to "why did it fail".
package report

import (
	"regexp"

	"github.com/shiplock/shiplock/internal/text"
)

// A Report is a failure report. Its text is the same wherever it is shown. A Report from
// Diagnose holds no control characters and no secrets, and its layout is no longer than
// maxSize. As JSON it is {"code": 6, "title": "…", "rows": [{"name": "…", "text": "…"}]}.
type Report struct {
	Code  int    `json:"code"`  // exit code
	Title string `json:"title"` // one line
	Rows  []Row  `json:"rows"`
}

// A Row is one labeled fact. Text may have several lines, and is wrapped unless it is
// Verbatim, as SQL is. A long line of verbatim text is cut, or broken if Fold is set.
type Row struct {
	Name     string `json:"name"`
	Text     string `json:"text"`
	Verbatim bool   `json:"-"`
	Fold     bool   `json:"-"`
	// sql is the SQL of which Text becomes an excerpt, with a caret below offset, in bytes;
	// -1 for none.
	sql    string
	offset int
	// caret is the number of the line, from 1, that holds only a caret; 0 for none.
	caret int
}

// Row returns the text of the first row with that name, or "".
func (c Report) Row(name string) string {
	for _, r := range c.Rows {
		if r.Name == name {
			return r.Text
		}
	}
	return ""
}

func (c *Report) add(name, text string) {
	if text != "" {
		c.Rows = append(c.Rows, Row{Name: name, Text: text})
	}
}

func (c *Report) addVerbatim(name, text string) {
	c.Rows = append(c.Rows, Row{Name: name, Text: text, Verbatim: true})
}

// addSQL adds an excerpt of SQL around an offset in bytes; -1 for none.
func (c *Report) addSQL(name, sql string, at int) {
	c.Rows = append(c.Rows, Row{Name: name, sql: sql, offset: at, Verbatim: true})
}

// addFolded adds text from other programs, unchanged and in full.
func (c *Report) addFolded(name, text string) {
	c.Rows = append(c.Rows, Row{Name: name, Text: text, Verbatim: true, Fold: true})
}

// sanitized returns the report without control characters and secrets, and no longer than
// maxSize. redact hides secrets.
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
