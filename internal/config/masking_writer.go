package config

import (
	"io"
	"strings"
	"sync"
)

// MaskingWriter is a stream from which the passwords of a run are taken out.
type MaskingWriter struct {
	to     io.Writer
	logins *credentials

	mu   sync.Mutex
	held string // the end of what came, which may be the beginning of a password
}

// MaskingWriter passes on to w what is written, with every password that the run has had,
// in each of its forms, as "xxxxx". A password that is the user's or the database's
// name stays: it is in every line, and hides nothing.
func (d DSN) NewMaskingWriter(w io.Writer) *MaskingWriter {
	logins := d.logins
	if p := d.cfg.Password; p != "" && (p == d.cfg.User || p == d.cfg.Database) {
		logins = &credentials{}
	}
	return &MaskingWriter{to: w, logins: logins}
}

func (m *MaskingWriter) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	secrets := m.logins.secretForms()
	text := redact(m.held+string(p), secrets...)
	keep := 0
	for _, s := range secrets {
		keep = max(keep, overlap(text, s))
	}
	m.held = text[len(text)-keep:]
	_, err := io.WriteString(m.to, text[:len(text)-keep])
	return len(p), err
}

// Flush passes on what is held back.
func (m *MaskingWriter) Flush() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := io.WriteString(m.to, m.held)
	m.held = ""
	return err
}

// overlap is how much of the end of text is the beginning of secret, but not all of it.
func overlap(text, secret string) int {
	for n := min(len(text), len(secret)-1); n > 0; n-- {
		if strings.HasSuffix(text, secret[:n]) {
			return n
		}
	}
	return 0
}

// secretForms returns the secrets so far, the long ones first.
func (c *credentials) secretForms() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.forms...)
}
