package child

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
)

// What is kept of the output: enough to see the error, and little enough for a card.
const (
	maxLines   = 20
	maxBytes   = 2 << 10
	maxLine    = 400
	maxScanned = 16 << 10 // of a line, to look for an error in
)

// lastLines keeps the last lines of all streams, and those that read like an error.
type lastLines struct {
	mu         sync.Mutex
	kept       []string
	size       int
	numbers    []int // of the kept lines
	count      int   // of all lines
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

// errors are the lines that read like an error, but for those of lines.
func (t *lastLines) errors() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.numbers) == 0 {
		return nil
	}
	return t.errorLines.lines(t.numbers[0])
}

// lineWriter makes lines of one stream. Of a line that is too long it keeps the beginning.
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

// keep adds to the line. What a carriage return has written over is of no interest.
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

// escapeSequence is what colours text and moves a terminal's cursor (ECMA-48).
var escapeSequence = regexp.MustCompile(`\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_]`)
