package subprocess

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/shiplock/shiplock/internal/text"
)

// A SharedOutput is a standard error shared by this process and a program. Output of this
// process always begins on a new line. A line of the program that looks like one of this
// process is marked with "| ", or in JSON logs with "from":"tool". All other output is
// passed unchanged.
type SharedOutput struct {
	out  io.Writer
	json bool

	mu      sync.Mutex
	streams []*outputStream
	midLine bool // the last line of the program has not ended
}

// NewSharedOutput returns a SharedOutput that writes to out. json reports whether the lines of this process are JSON.
func NewSharedOutput(out io.Writer, json bool) *SharedOutput {
	return &SharedOutput{out: out, json: json}
}

// Write writes output of this process.
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

// Stat returns the FileInfo of the underlying file, which may be a terminal.
func (c *SharedOutput) Stat() (fs.FileInfo, error) {
	if f, ok := c.out.(interface{ Stat() (fs.FileInfo, error) }); ok {
		return f.Stat()
	}
	return nil, os.ErrInvalid
}

// ProgramWriter returns a writer for the program's output to the given writer.
func (c *SharedOutput) ProgramWriter(to io.Writer) io.Writer {
	v := &outputStream{shared: c, to: to, atStart: true}
	c.streams = append(c.streams, v)
	return v
}

// An outputStream is one output stream of a program.
type outputStream struct {
	shared  *SharedOutput
	to      io.Writer
	atStart bool   // at the start of a line
	held    []byte // the beginning of a line that may still become one like those of this process
	object  bool   // held begins with a JSON object
	err     error
}

const (
	mark     = "| "
	jsonMark = `"from":"tool",`
	// maxHeld limits the bytes of a line that are held back, and maxJSON those of a JSON line.
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

// lineEnd returns the index after the first line break, or the length of p. A carriage
// return is a line break: the text after it begins at the start of a line.
func lineEnd(p []byte) int {
	for i, c := range p {
		if isLineBreak(c) {
			return i + 1
		}
	}
	return len(p)
}

func isLineBreak(c byte) bool { return c == '\n' || c == '\r' }

// mayBecomeOwnLine reports whether the held bytes may become the beginning of a line like those of this process.
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

// release writes the held bytes, with the mark if necessary.
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

// Prefixes of the lines of this process: the failure report, and slog's TextHandler.
const reportPrefix = "shiplock: "

var (
	logStart  = regexp.MustCompile(`^time=\S+ level=`)
	logPrefix = regexp.MustCompile(`^(?:t|ti|tim|time|time=\S*|time=\S+ (?:|l|le|lev|leve|level|level=))$`)
)

func isOwnLine(text string) bool {
	return strings.HasPrefix(text, reportPrefix) || logStart.MatchString(text)
}

// isRecord reports whether a line looks like a record of slog's JSONHandler. Lines that are
// too long to check do.
func isRecord(line []byte) bool {
	if len(line) >= maxJSON {
		return true
	}
	var keys map[string]json.RawMessage
	return json.Unmarshal([]byte(visibleText(line)), &keys) == nil && keys["level"] != nil && keys["msg"] != nil
}

// visibleText returns the visible text of the beginning of a line, without incomplete
// characters and escape sequences.
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
	return text.Replace(s, -1, nil)
}

var incompleteEscape = regexp.MustCompile(`\x1b(?:\[[0-9;:?]*[ -/]*|\][^\x07\x1b]*)?$`)
