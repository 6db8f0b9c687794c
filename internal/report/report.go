// Package report turns the end of a run into an exit code and a card: the
// one-screen answer to "why did it fail".
package report

import (
	"regexp"
)

// Report is one diagnosis. Its words are the same wherever it is shown. One from
// Diagnose holds no control characters, no secrets, and laid out is no longer than
// maxCard. As JSON it is {"code": 6, "title": "…", "rows": [{"name": "…", "text": "…"}]}.
type Report struct {
	Code  int    `json:"code"`  // exit code
	Title string `json:"title"` // one line
	Rows  []Row  `json:"rows"`
}

// Row is one labelled fact. Text may have several lines, and is wrapped unless it
// is Verbatim, as SQL is. A long line of verbatim text is cut, unless it is to Fold.
type Row struct {
	Name     string `json:"name"`
	Text     string `json:"text"`
	Verbatim bool   `json:"-"`
	Fold     bool   `json:"-"`
	// sql is what Text becomes an excerpt of, with a caret under the place at that
	// offset in bytes; -1 for none.
	sql    string
	offset int
	// caret is the number of the line, from 1, that has nothing but a caret; 0 for none.
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

// addSQL adds a part of some SQL around a place, an offset in bytes; -1 for none.
func (c *Report) addSQL(name, sql string, at int) {
	c.Rows = append(c.Rows, Row{Name: name, sql: sql, offset: at, Verbatim: true})
}

// addFolded adds what is not ours: it is shown as it is, and in full.
func (c *Report) addFolded(name, text string) {
	c.Rows = append(c.Rows, Row{Name: name, Text: text, Verbatim: true, Fold: true})
}

// sanitized makes a card fit to be shown anywhere. redact hides secrets.
func (c Report) sanitized(redact func(string) string) Report {
	hide := func(s string) string { return sqlPassword.ReplaceAllString(redact(s), "${1}'xxxxx'") }
	out := Report{Code: c.Code, Title: oneLine(clean(hide(c.Title))), Rows: []Row{}}
	for _, r := range c.Rows {
		if r.sql == "" {
			r.Text = clean(hide(r.Text))
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
