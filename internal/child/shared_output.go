package child

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// SharedOutput is the standard error that we and a program share. What we write begins a
// line of its own, however the program's last one ended; and a line of the program's
// that looks like one of ours bears a mark: "| ", or in a log of JSON a "from":"tool".
// All else passes as it is.
type SharedOutput struct {
	out  io.Writer
	json bool

	mu      sync.Mutex
	streams []*outputStream
	midLine bool // a line of the program's has not ended yet
}

// NewSharedOutput puts itself before out. json says that our own lines are JSON.
func NewSharedOutput(out io.Writer, json bool) *SharedOutput {
	return &SharedOutput{out: out, json: json}
}

// Write is for ourselves.
func (c *SharedOutput) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.streams {
		v.release()
	}
	if c.midLine {
		c.midLine = false
		if _, err := io.WriteString(c.out, "\n"); err != nil {
			return 0, err
		}
	}
	return c.out.Write(p)
}

// Stat is that of the file behind it: it may be a terminal.
func (c *SharedOutput) Stat() (fs.FileInfo, error) {
	if f, ok := c.out.(interface{ Stat() (fs.FileInfo, error) }); ok {
		return f.Stat()
	}
	return nil, os.ErrInvalid
}

// ProgramWriter is to for a program.
func (c *SharedOutput) ProgramWriter(to io.Writer) io.Writer {
	v := &outputStream{shared: c, to: to, atStart: true}
	c.streams = append(c.streams, v)
	return v
}

// outputStream is one stream of a program.
type outputStream struct {
	shared  *SharedOutput
	to      io.Writer
	atStart bool   // of a line
	held    []byte // the beginning of a line that may yet look like ours
	object  bool   // it is one of JSON
	err     error
}

const (
	mark     = "| "
	jsonMark = `"from":"tool",`
	// maxHeld bounds what is held back of a line, and maxJSON of one that is JSON.
	maxHeld = 256
	maxJSON = 64 << 10
)

func (v *outputStream) Write(p []byte) (int, error) {
	v.shared.mu.Lock()
	defer v.shared.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		if !v.atStart {
			end := lineEnd(p)
			v.write(p[:end])
			v.atStart = end > 0 && isLineBreak(p[end-1])
			p = p[end:]
			continue
		}
		v.held, p = append(v.held, p[0]), p[1:]
		if isLineBreak(v.held[len(v.held)-1]) || !v.mayBecomeOwnLine() {
			v.release()
		}
	}
	return n, v.err
}

// lineEnd is behind the first end of a line, or of p. A carriage return is one: what
// comes after it stands at the beginning of a line.
func lineEnd(p []byte) int {
	for i, c := range p {
		if isLineBreak(c) {
			return i + 1
		}
	}
	return len(p)
}

func isLineBreak(c byte) bool { return c == '\n' || c == '\r' }

// mayBecomeOwnLine reports whether what is held may become the beginning of a line like ours.
func (v *outputStream) mayBecomeOwnLine() bool {
	if v.object {
		return len(v.held) < maxJSON
	}
	if len(v.held) >= maxHeld {
		return false
	}
	text := visibleText(v.held)
	if v.shared.json {
		text = strings.TrimLeft(text, " \t")
		v.object = strings.HasPrefix(text, "{")
		return v.object || text == "" || strings.HasPrefix(reportPrefix, text)
	}
	return strings.HasPrefix(reportPrefix, text) || logPrefix.MatchString(text)
}

// release passes on what is held, with the mark if it has to have one.
func (v *outputStream) release() {
	if len(v.held) == 0 {
		return
	}
	line, object := v.held, v.object
	v.held, v.object = nil, false
	switch {
	case object && isRecord(line):
		at := bytes.IndexByte(line, '{') + 1
		v.write(line[:at])
		v.write([]byte(jsonMark))
		line = line[at:]
	case isOwnLine(visibleText(line)):
		v.write([]byte(mark))
	}
	v.write(line)
	v.atStart = len(line) > 0 && isLineBreak(line[len(line)-1])
}

func (v *outputStream) write(p []byte) {
	if len(p) == 0 {
		return
	}
	v.shared.midLine = p[len(p)-1] != '\n'
	if _, err := v.to.Write(p); err != nil {
		v.err = err
	}
}

// Our lines begin so: the card, and slog's TextHandler.
const reportPrefix = "shiplock: "

var (
	logStart  = regexp.MustCompile(`^time=\S+ level=`)
	logPrefix = regexp.MustCompile(`^(?:t|ti|tim|time|time=\S*|time=\S+ (?:|l|le|lev|leve|level|level=))$`)
)

func isOwnLine(text string) bool {
	return strings.HasPrefix(text, reportPrefix) || logStart.MatchString(text)
}

// isRecord reports whether a line would pass for a record of slog's JSONHandler; one
// that is too long to tell does.
func isRecord(line []byte) bool {
	if len(line) >= maxJSON {
		return true
	}
	var keys map[string]json.RawMessage
	return json.Unmarshal([]byte(visibleText(line)), &keys) == nil && keys["level"] != nil && keys["msg"] != nil
}

// visibleText is what a reader sees of the beginning of a line. Of a character or an
// escape sequence that has not ended nothing is seen.
func visibleText(line []byte) string {
	for i := 1; i <= min(len(line), utf8.UTFMax-1); i++ {
		if c := line[len(line)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(line[len(line)-i:]) {
				line = line[:len(line)-i]
			}
			break
		}
	}
	s := incompleteEscape.ReplaceAllString(escapeSequence.ReplaceAllString(string(line), ""), "")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
}

var incompleteEscape = regexp.MustCompile(`\x1b(?:\[[0-9;:?]*[ -/]*|\][^\x07\x1b]*)?$`)
