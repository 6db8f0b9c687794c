package credentials

import (
	"io"
	"strings"
	"sync"
)

// A MaskingWriter is a writer that masks the passwords of a run.
type MaskingWriter struct {
	to     io.Writer
	logins *Logins

	mu   sync.Mutex
	held string // the end of the text so far, which may be the beginning of a password
}

// NewMaskingWriter returns a writer to w that replaces every password of the run, in all
// its encodings, with "xxxxx".
func (c *Logins) NewMaskingWriter(w io.Writer) *MaskingWriter {
	return &MaskingWriter{to: w, logins: c}
}

func (m *MaskingWriter) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	secrets := m.logins.secretForms()
	text := Redact(m.held+string(p), secrets...)
	keep := 0
	for _, s := range secrets {
		keep = max(keep, overlap(text, s))
	}
	m.held = text[len(text)-keep:]
	_, err := io.WriteString(m.to, text[:len(text)-keep])
	return len(p), err
}

// Flush writes the text that is held back.
func (m *MaskingWriter) Flush() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := io.WriteString(m.to, m.held)
	m.held = ""
	return err
}

// overlap returns the length of the longest proper prefix of secret with which text ends.
func overlap(text, secret string) int {
	for n := min(len(text), len(secret)-1); n > 0; n-- {
		if strings.HasSuffix(text, secret[:n]) {
			return n
		}
	}
	return 0
}
