package child

import (
	"regexp"
	"slices"
	"strings"
)

// The last lines of an output seldom hold the reason of a failure: a driver prints the
// error first, and then its own fields, a stack, and what npm has to say. So lines that
// read like an error are kept beside them, each with the lines that belong to it.
const (
	maxBlock  = 6  // lines
	maxWithin = 30 // lines after an error in which those that belong to it may come
)

var (
	// serverError is how PostgreSQL, its drivers and Prisma name an error.
	serverError = regexp.MustCompile(`\b(?:ERROR|FATAL|PANIC):|\b(?i:sqlstate)\b|\b[Ee]rror: |(?i:does not exist|already exists|\bviolates\b|permission denied|must be owner|syntax error|duplicate key|deadlock detected|canceling statement|connection refused|password authentication failed|too many connections)|\bE(?:CONNREFUSED|NOTFOUND|TIMEDOUT|CONNRESET)\b|\bP[123]\d{3}\b`)
	// anyError is how other errors are named.
	anyError = regexp.MustCompile(`(?i:\b(?:error|fatal|panic|exception|caused by|failed|failure|cannot|could not|unable to)\b)|\w(?:Error|Exception)\b|\bERR!`)
	// notAnError is what looks like one and is none.
	notAnError = regexp.MustCompile(`\bNOTICE\b|, skipping\b|(?i:\b(?:no|0|without) (?:errors?|failures?)\b|\bon_error_stop\b)`)
	// errorDetail begins the lines that belong to the error above them: PostgreSQL's fields,
	// as psql and as Node's and Python's drivers print them.
	errorDetail = regexp.MustCompile(`^\W*(?i:detail|hint|where|context|position|reason|caused by|line \d+:|line \d+ |code:|table:|column:|constraint:|schema:|query:|sql:|statement:|failed sql|migration)`)
	// severityField are fields of an error that say no more than that it is one.
	severityField = regexp.MustCompile(`^\s*\W?(?i:severity|level)\W`)
	// emptyField is a field without a value, as Node prints an error of its driver.
	emptyField = regexp.MustCompile(`^\s*\w+: undefined,?$`)
)

// errorBlock is an error and the lines that belong to it.
type errorBlock struct {
	at    int // number of its first line
	lines []string
}

// errorLines keeps the first and the last error of an output, of the server's where there
// is one.
type errorLines struct {
	first, last [2]*errorBlock // by rank: any error, the server's
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

// add looks at line number n.
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

// clip keeps of a long line what stands around the error.
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

// lines returns what is kept of the errors that began before the line shown, the first
// of those that are shown anyway.
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
