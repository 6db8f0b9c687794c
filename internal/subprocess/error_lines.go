package subprocess

import (
	"regexp"
	"slices"
	"strings"
)

// The last lines of the output rarely contain the cause of a failure: a driver prints the
// error first, then its fields and a stack trace, and npm adds its own lines. So lines that
// look like an error are kept as well, each with its detail lines.
const (
	maxBlock  = 6  // lines of an error with its details
	maxWithin = 30 // lines after an error in which its details may follow
)

var (
	// serverError matches errors as PostgreSQL, its drivers and Prisma print them.
	serverError = regexp.MustCompile(`\b(?:ERROR|FATAL|PANIC):|\b(?i:sqlstate)\b|\b[Ee]rror: |(?i:does not exist|already exists|\bviolates\b|permission denied|must be owner|syntax error|duplicate key|deadlock detected|canceling statement|connection refused|password authentication failed|too many connections)|\bE(?:CONNREFUSED|NOTFOUND|TIMEDOUT|CONNRESET)\b|\bP[123]\d{3}\b`)
	// anyError matches other errors.
	anyError = regexp.MustCompile(`(?i:\b(?:error|fatal|panic|exception|caused by|failed|failure|cannot|could not|unable to)\b)|\w(?:Error|Exception)\b|\bERR!`)
	// notAnError matches lines that look like an error but are not.
	notAnError = regexp.MustCompile(`\bNOTICE\b|, skipping\b|(?i:\b(?:no|0|without) (?:errors?|failures?)\b|\bon_error_stop\b)`)
	// errorDetail matches the detail lines of the error above them: PostgreSQL's fields as
	// printed by psql and by the drivers of Node and Python.
	errorDetail = regexp.MustCompile(`^\W*(?i:detail|hint|where|context|position|reason|caused by|line \d+:|line \d+ |code:|table:|column:|constraint:|schema:|query:|sql:|statement:|failed sql|migration)`)
	// severityField matches fields that contain only the severity of an error.
	severityField = regexp.MustCompile(`^\s*\W?(?i:severity|level)\W`)
	// emptyField matches fields without a value, as in driver errors printed by Node.
	emptyField = regexp.MustCompile(`^\s*\w+: undefined,?$`)
)

// An errorBlock is an error with its detail lines.
type errorBlock struct {
	at    int // number of the first line
	lines []string
}

// maxLine is the maximum length of a line that is kept.
const maxLine = 400

// errorLines keeps the first and the last error of an output, preferring server errors.
type errorLines struct {
	first, last [2]*errorBlock // by rank: any error, server error
	open        *errorBlock
	openUntil   int
}

func rank(line string) int {
	switch {
	case notAnError.MatchString(line):
		return -1
	case serverError.MatchString(line):
		return 1
	case anyError.MatchString(line):
		return 0
	}
	return -1
}

// add checks line number n.
func (r *errorLines) add(n int, line string) {
	if emptyField.MatchString(line) || severityField.MatchString(line) {
		return
	}
	if r.open != nil && n <= r.openUntil && errorDetail.MatchString(line) {
		if len(r.open.lines) < maxBlock {
			r.open.lines = append(r.open.lines, clip(line, errorDetail))
		}
		return
	}
	k := rank(line)
	if k < 0 {
		return
	}
	pattern := anyError
	if k == 1 {
		pattern = serverError
	}
	b := &errorBlock{at: n, lines: []string{clip(line, pattern)}}
	if r.first[k] == nil {
		r.first[k] = b
	}
	r.last[k], r.open, r.openUntil = b, b, n+maxWithin
}

// clip shortens a long line to the text around the error.
func clip(line string, pattern *regexp.Regexp) string {
	if len(line) <= maxLine {
		return line
	}
	from := 0
	if at := pattern.FindStringIndex(line); at != nil && at[0] > maxLine/2 {
		from = at[0] - maxLine/4
	}
	out := strings.ToValidUTF8(line[from:min(len(line), from+maxLine)], "")
	if from > 0 {
		out = "…" + out
	}
	if from+maxLine < len(line) {
		out += "…"
	}
	return out
}

// lines returns the errors that began before line number shown, the first of the last
// lines, which are shown anyway.
func (r *errorLines) lines(shown int) []string {
	k := 1
	if r.first[k] == nil {
		k = 0
	}
	var out []string
	for _, b := range []*errorBlock{r.first[k], r.last[k]} {
		if b == nil || b.at >= shown || slices.ContainsFunc(out, func(l string) bool { return l == b.lines[0] }) {
			continue
		}
		out = append(out, b.lines...)
	}
	return out
}
