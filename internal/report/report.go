// Package report has the exit codes and the layout of a failure report: the one-screen answer to "why
// did it fail".
//
// A [Report] is a title, an exit code and labeled rows. [Report.Complete] adds the release of a [Run],
// removes secrets and control characters, and shortens the report to the size of a termination message.
// [Success] describes a successful run in two lines.
//
// Package failure builds the report of an error, with the next steps from package advice. Packages cli
// and notify print it.
package report

// A Report is a failure report. Its text is the same wherever it is shown. A Report from
// Complete holds no control characters and no secrets, and its layout is no longer than
// MaxSize. As JSON it is {"code": 6, "title": "…", "rows": [{"name": "…", "text": "…"}]}.
type Report struct {
	Code  int    `json:"code"`  // exit code
	Title string `json:"title"` // one line
	Rows  []Row  `json:"rows"`
	// Database is the database that the title names. Complete adds no row for it.
	Database string `json:"-"`
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

// Add adds a row, unless text is empty.
func (c *Report) Add(name, text string) {
	if text != "" {
		c.Rows = append(c.Rows, Row{Name: name, Text: text})
	}
}

// AddVerbatim adds a row whose lines are cut and not wrapped.
func (c *Report) AddVerbatim(name, text string) {
	c.Rows = append(c.Rows, Row{Name: name, Text: text, Verbatim: true})
}

// AddSQL adds an excerpt of SQL around an offset in bytes; -1 for none.
func (c *Report) AddSQL(name, sql string, at int) {
	c.Rows = append(c.Rows, Row{Name: name, sql: sql, offset: at, Verbatim: true})
}

// AddFolded adds text from other programs, unchanged and in full.
func (c *Report) AddFolded(name, text string) {
	c.Rows = append(c.Rows, Row{Name: name, Text: text, Verbatim: true, Fold: true})
}
