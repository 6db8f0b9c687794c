package github

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/shiplock/shiplock/internal/text"
)

// plainMarkdown returns a text as one line of Markdown without formatting: every character
// other than letters, digits and harmless punctuation becomes a character reference.
func plainMarkdown(s string) string {
	var b strings.Builder
	for _, r := range text.Clip(text.OneLine(s), 500) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" .,;/-'\"", r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return b.String()
}

// fenced returns a text in a code fence longer than any fence within it, so that none of it
// is rendered as Markdown.
func fenced(text string) string {
	fence, run := 3, 0
	for _, r := range text {
		if run++; r != '`' {
			run = 0
		}
		fence = max(fence, run+1)
	}
	ticks := strings.Repeat("`", fence)
	return ticks + "text\n" + strings.TrimRight(text, "\n") + "\n" + ticks + "\n"
}

// appendFile appends text to a file.
func appendFile(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}
