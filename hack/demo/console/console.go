// Package console formats the output of both parts of the demo.
package console

import (
	"fmt"
	"os"
)

// Title prints a heading.
func Title(out *os.File, text string) {
	fmt.Fprintf(out, "\n%s\n\n", Bold(out, text))
}

// Paragraph prints a paragraph.
func Paragraph(out *os.File, lines ...string) {
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintln(out)
}

// Bold returns the text in bold on a terminal, and unchanged otherwise.
func Bold(out *os.File, text string) string {
	if !IsTerminal(out) || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\033[1m" + text + "\033[0m"
}

// IsTerminal reports whether out is a terminal.
func IsTerminal(out *os.File) bool {
	info, err := out.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
