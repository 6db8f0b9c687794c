package output

// A Format is a format of the findings.
type Format string

// Values of Format.
const (
	Text     Format = "text"
	JSON     Format = "json"
	SARIF    Format = "sarif"
	GitLab   Format = "gitlab" // code quality report
	Markdown Format = "markdown"
)

// Formats are all values of Format.
var Formats = []Format{Text, JSON, SARIF, GitLab, Markdown}

// IsJSON reports whether the format is JSON.
func (f Format) IsJSON() bool { return f != Text && f != Markdown }

// DocsURL is the address of the pages of the rules.
const DocsURL = "https://github.com/shiplock/shiplock/blob/main/docs/reference/checks/"

// Options are what the formats need beside the result.
type Options struct {
	Source  string // the migrations directory, as the user wrote it
	Version string // of this program
}
