package subprocess

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
)

// Limits of the output that is kept: enough to show the error, and short enough for a failure report.
const (
	maxLines   = 20
	maxBytes   = 2 << 10
	maxScanned = 16 << 10 // bytes of a line that are searched for an error
)

// lastLines keeps the last lines of all streams, and lines that look like an error.
type lastLines struct {
	mu         sync.Mutex
	kept       []string
	size       int
	numbers    []int // line numbers of kept
	count      int   // number of lines so far
	errorLines errorLines
}

func (t *lastLines) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count++; emptyField.MatchString(line) {
		return
	}
	t.errorLines.add(t.count, line)
	if len(line) > maxLine {
		line = strings.ToValidUTF8(line[:maxLine], "") + "…"
	}
	t.kept, t.numbers = append(t.kept, line), append(t.numbers, t.count)
	t.size += len(line) + 1
	for len(t.kept) > maxLines || t.size > maxBytes {
		t.size -= len(t.kept[0]) + 1
		t.kept, t.numbers = t.kept[1:], t.numbers[1:]
	}
}

func (t *lastLines) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.kept...)
}

// errors returns the lines that look like an error, without those that lines returns.
func (t *lastLines) errors() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.numbers) == 0 {
		return nil
	}
	return t.errorLines.lines(t.numbers[0])
}

// A lineWriter splits one stream into lines. It truncates lines that are too long.
type lineWriter struct {
	to      *lastLines
	partial []byte
}

func (w *lineWriter) write(p []byte) {
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		w.keep(line)
		if ended {
			w.flush()
		}
		p = rest
	}
}

// keep adds to the line. Text overwritten after a carriage return is dropped.
func (w *lineWriter) keep(p []byte) {
	if i := bytes.LastIndexByte(bytes.TrimRight(p, "\r"), '\r'); i >= 0 {
		w.partial, p = w.partial[:0], p[i+1:]
	} else if bytes.HasSuffix(w.partial, []byte{'\r'}) && len(p) > 0 {
		w.partial = w.partial[:0]
	}
	w.partial = append(w.partial, p[:min(len(p), max(0, maxScanned-len(w.partial)))]...)
}

func (w *lineWriter) flush() {
	line := strings.TrimRight(escapeSequence.ReplaceAllString(string(w.partial), ""), " \t\r")
	w.partial = w.partial[:0]
	if line == "" {
		return
	}
	w.to.add(line)
}

// escapeSequence matches escape sequences that color text or move the cursor (ECMA-48).
var escapeSequence = regexp.MustCompile(`\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_]`)
